"""CompleteStream over stand-ins for the services: however it ends, nothing uninspected leaves, and it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.redaction.v1 import redaction_service_pb2 as redaction

from gateway.finaliser import Finaliser
from gateway.replies import load
from gateway.settings import DEFAULT_POLICY
from gateway.settling import Settling
from gateway.stream import CompleteStream
from services.kit.audit import Event
from services.kit.call import Call
from services.kit.caller import current
from services.kit.clock import SystemClock
from services.kit.errors import InvalidArgument, Unavailable

ADMISSION = "adm_" + "A" * 43
SENTENCE = "This sentence is long enough to be worth a look of its own, I should say. " * 3


class Peers:
    """auth, guardrail, redaction and ratelimit; `bad` withholds a block that holds it."""

    def __init__(self, bad: str = "", fails: Exception | None = None) -> None:
        self.bad, self.fails = bad, fails
        self.committed: list[ratelimit.Cost] = []
        self.admitted = True
        self.requests: list[guardrail.InspectOutputRequest] = []

    async def go_on(self, admission: str, holder: str) -> auth.ContinueResponse:
        if not self.admitted:
            return auth.ContinueResponse(outcome=decision.OUTCOME_DENY, reason=decision.REASON_ADMISSION_NOT_ACCEPTED)
        return auth.ContinueResponse(
            outcome=decision.OUTCOME_ALLOW,
            reason=decision.REASON_NONE,
            txn_token="token",
            reservation="r1",
            conversation="c1",
            input_tokens=7,
            model="m",
            prompt_prints=b"prints",
        )

    async def inspect_output(
        self, token: str, request: guardrail.InspectOutputRequest
    ) -> guardrail.InspectOutputResponse:
        if self.fails is not None:
            raise self.fails
        text = request.text
        self.requests.append(request)
        if self.bad and self.bad in request.preceding + text:
            return guardrail.InspectOutputResponse(
                outcome=decision.OUTCOME_DENY, reason=decision.REASON_OUTPUT_WITHHELD
            )
        return guardrail.InspectOutputResponse(
            outcome=decision.OUTCOME_ALLOW,
            reason=decision.REASON_NONE,
            text=text,
            prompt_seen=bytes([len(self.requests)]),
            checks=[
                guardrail.OutputCheck(kind=guardrail.OUTPUT_CHECK_KIND_CANARY, characters=len(text)),
                guardrail.OutputCheck(kind=guardrail.OUTPUT_CHECK_KIND_PROMPT, skipped=guardrail.OUTPUT_SKIP_TOO_SHORT),
            ],
        )

    async def restore_stream(
        self, token: str, requests: AsyncIterator[redaction.RestoreStreamRequest]
    ) -> AsyncIterator[redaction.RestoreStreamResponse]:
        async for request in requests:
            yield redaction.RestoreStreamResponse(chunk=request.chunk.replace("<US_SSN>", "123-45-6789"))

    async def commit(self, token: str, reservation: str, used: ratelimit.Cost) -> ratelimit.CommitResponse:
        self.committed.append(used)
        return ratelimit.CommitResponse(settlement=ratelimit.SETTLEMENT_APPLIED)


class Kept:
    """A trail in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit(self, event: Event, *, critical: bool = False) -> None:
        self.events.append(event)


def stream(peers: Any, trail: Kept | None = None) -> CompleteStream:
    """One call, as the layers of the kit begin it."""
    current.set(Call("/hauberk.gateway.v1.GatewayService/CompleteStream", None, None))  # type: ignore[arg-type]
    return CompleteStream(peers, Settling(peers, 1.0), Finaliser(trail or Kept(), SystemClock()), load(DEFAULT_POLICY))


async def messages(texts: Sequence[str], usage: pb.Usage | None = None) -> AsyncIterator[pb.CompleteStreamRequest]:
    yield pb.CompleteStreamRequest(admission=ADMISSION)
    for text in texts:
        yield pb.CompleteStreamRequest(chunk=text)
    if usage is not None:
        yield pb.CompleteStreamRequest(usage=usage)


async def through(
    peers: Peers, texts: Sequence[str], usage: pb.Usage | None = None, trail: Kept | None = None
) -> tuple[str, pb.CompleteResponse]:
    came = [answer async for answer in stream(peers, trail).run(messages(texts, usage), "backend/demo")]
    assert all(not answer.HasField("result") for answer in came[:-1])
    return "".join(answer.chunk for answer in came), came[-1].result


async def test_it_is_restored_and_settled_at_what_is_reported() -> None:
    peers, trail = Peers(), Kept()
    text, result = await through(
        peers, [SENTENCE, "Yours: <US_", "SSN>."], pb.Usage(output_tokens=500, model="n"), trail
    )
    assert text == SENTENCE + "Yours: 123-45-6789."
    assert result.outcome == decision.OUTCOME_ALLOW
    assert [verdict.stage for verdict in result.verdicts] == ["admission", "output", "restore"]
    assert result.settlement == ratelimit.SETTLEMENT_APPLIED and not result.degraded
    ((used,),) = [peers.committed]
    assert (used.input_tokens, used.output_tokens, used.model) == (7, 500, "n")
    assert [event.outcome for event in trail.events] == [decision.OUTCOME_ALLOW]


async def test_a_refusal_ends_it_and_nothing_of_the_bad_block_leaves() -> None:
    peers = Peers(bad="hbc-")
    text, result = await through(peers, [SENTENCE, "the canary is hbc-x. " + SENTENCE, SENTENCE])
    assert text == SENTENCE
    assert (result.outcome, result.reason) == (decision.OUTCOME_DENY, decision.REASON_OUTPUT_WITHHELD)
    assert result.safe_reply.text
    assert len(peers.committed) == 1


async def test_an_admission_that_is_not_accepted_settles_nothing_and_is_no_degradation() -> None:
    peers = Peers()
    peers.admitted = False
    text, result = await through(peers, [SENTENCE])
    assert (text, result.outcome, result.degraded) == ("", decision.OUTCOME_DENY, False)
    assert peers.committed == []


async def test_a_guardrail_that_cannot_decide_lets_nothing_out() -> None:
    peers = Peers(fails=Unavailable("guardrail"))
    text, result = await through(peers, [SENTENCE])
    assert (text, result.outcome, result.degraded) == ("", decision.OUTCOME_DENY, True)
    assert len(peers.committed) == 1


@pytest.mark.parametrize("error", [InvalidArgument.of("chunk", "is odd"), RuntimeError("a defect of ours")])
async def test_whatever_breaks_it_it_is_settled(error: Exception) -> None:
    peers, trail = Peers(), Kept()

    async def broken() -> AsyncIterator[pb.CompleteStreamRequest]:
        async for message in messages([SENTENCE]):
            yield message
        raise error

    with pytest.raises(type(error)):
        [answer async for answer in stream(peers, trail).run(broken(), "backend/demo")]
    assert len(peers.committed) == 1
    await asyncio.sleep(0.01)
    assert [event.outcome for event in trail.events] == [decision.OUTCOME_UNSPECIFIED]


@pytest.mark.parametrize("leave", ["cancelled while it waits", "closed after a piece"])
async def test_a_client_that_leaves_is_settled_at_what_was_counted(leave: str) -> None:
    peers, trail = Peers(), Kept()
    silence = asyncio.Event()

    async def endless() -> AsyncIterator[pb.CompleteStreamRequest]:
        async for message in messages([SENTENCE]):
            yield message
        await silence.wait()

    answers = stream(peers, trail).run(endless(), "backend/demo")
    first = await anext(answers)
    assert first.chunk == SENTENCE
    if leave.startswith("closed"):
        await answers.aclose()
    else:
        waiting = asyncio.ensure_future(anext(answers))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    ((used,),) = [peers.committed]
    assert used.output_tokens >= len(SENTENCE) // 4
    assert used.input_tokens == 7
    await asyncio.sleep(0.01)
    assert [event.code for event in trail.events] == ["gateway.complete_stream"]


@pytest.mark.parametrize("cancelled", [1, 2, 3])
async def test_a_client_that_leaves_at_once_is_settled_and_recorded_under_its_own_name(cancelled: int) -> None:
    class Slow(Peers):
        times = 0

        async def go_on(self, admission: str, holder: str) -> auth.ContinueResponse:
            self.times += 1
            if self.times == 1:
                await asyncio.sleep(10)
            answer = await super().go_on(admission, holder)
            answer.principal.organisation = "acme"
            return answer

    peers, trail = Slow(), Kept()
    waiting = asyncio.ensure_future(anext(stream(peers, trail).run(messages([SENTENCE]), "backend/demo")))
    await asyncio.sleep(0.01)
    for _ in range(cancelled):
        waiting.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0.01)
    assert len(peers.committed) == 1
    assert [event.organisation for event in trail.events] == ["acme"]


@pytest.mark.parametrize("first", [lambda: messages([]), None])
async def test_a_stream_needs_its_admission_first(first: Callable[[], Any] | None) -> None:
    async def nothing() -> AsyncIterator[pb.CompleteStreamRequest]:
        if first is not None:
            yield pb.CompleteStreamRequest(chunk="hello")

    with pytest.raises(InvalidArgument):
        [answer async for answer in stream(Peers()).run(nothing(), "backend/demo")]


async def test_the_event_says_what_was_looked_at_and_what_of_the_prompt_was_seen_goes_along() -> None:
    peers, trail = Peers(), Kept()
    text = SENTENCE * 3
    shown, _ = await through(peers, [text[at : at + 50] for at in range(0, len(text), 50)], trail=trail)
    assert shown == text
    assert len(peers.requests) > 1 and {request.prompt_prints for request in peers.requests} == {b"prints"}
    assert [request.prompt_seen for request in peers.requests] == [
        b"",
        *(bytes([n]) for n in range(1, len(peers.requests))),
    ]
    (event,) = trail.events
    assert event.facts["checked"] == "canary" and event.facts["checked_characters"] == str(len(text))
    assert event.facts["checked_pieces"] == str(len(peers.requests))
    assert event.facts["not_checked"] == "too_short:prompt"


async def test_an_answer_that_nobody_looked_at_is_on_record_as_such() -> None:
    peers, trail = Peers(fails=Unavailable("guardrail")), Kept()
    await through(peers, [SENTENCE], trail=trail)
    (event,) = trail.events
    assert event.facts["not_checked"] == "not_reached:all" and "checked" not in event.facts


@pytest.mark.parametrize("size", [1, 7, 160, 5_000])
async def test_the_same_blocks_however_it_comes(size: int) -> None:
    text = SENTENCE * 2 + "card 4532 0151 1283 0366 " + "x" * 700 + " hbc-1 " + SENTENCE * 2
    seen = []
    for pieces in ([text], [text[at : at + size] for at in range(0, len(text), size)]):
        peers = Peers(bad="hbc-1")
        seen.append((*await through(peers, pieces), [request.text for request in peers.requests]))
    assert seen[0][0] == seen[1][0] and seen[0][2] == seen[1][2]
    assert seen[0][1].reason == seen[1][1].reason == decision.REASON_OUTPUT_WITHHELD
