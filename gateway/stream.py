"""CompleteStream: the answer inspected block by block, restored, and passed on as it comes.

Nothing leaves before its block was inspected; a refusal ends the stream; the reservation is settled however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.redaction.v1 import redaction_service_pb2 as redaction

from gateway.allowance import Allowance
from gateway.answers import Decision, decision_of, note, trace_id, verdicts
from gateway.blocks import Blocks
from gateway.clients import Services
from gateway.complete import go_on
from gateway.estimate import counted_output
from gateway.finaliser import Finaliser, Subject
from gateway.looked import Looked
from gateway.pipeline import ALLOW, Ran, Result, failure
from gateway.replies import Listener, Replies
from gateway.settling import Settling
from gateway.signals import Signals
from gateway.stages import COMPLETE_STAGES
from services.kit.beside import to_its_end
from services.kit.caller import current_call
from services.kit.errors import InvalidArgument, KitError

# A transaction token lives 60 s; a longer stream goes on with a fresh one, and so notices a revocation.
TOKEN_USE = 40.0
WAITING = 32
# Seconds for which what a refused client still sends is read and thrown away.
DRAIN = 2.0

_ADMISSION, _OUTPUT, _RESTORE = COMPLETE_STAGES


@dataclass
class StreamState:
    """One stream: its admission, what was looked at, what was used."""

    admission: str
    holder: str
    locale: str
    continued: auth.ContinueResponse = field(default_factory=auth.ContinueResponse)
    fresh_until: float = 0.0
    used: ratelimit.Cost = field(default_factory=ratelimit.Cost)
    counted: ratelimit.Cost = field(default_factory=ratelimit.Cost)
    ran: dict[str, Ran] = field(default_factory=dict)
    blocks: Blocks = field(default_factory=Blocks)
    allowance: Allowance = field(default_factory=Allowance)
    broken: InvalidArgument | None = None
    prompt_seen: bytes = b""
    looked: Looked = field(default_factory=Looked)

    def decided(self, stage: str, result: Result, seconds: float) -> bool:
        """Keeps a stage's latest word and its time in all; True while it allows."""
        before = self.ran[stage].seconds if stage in self.ran else 0.0
        self.ran[stage] = Ran(stage, result, before + seconds)
        return result.allowed

    @property
    def refused(self) -> bool:
        """True when the admission itself was not accepted."""
        ran = self.ran.get("admission")
        return not self.continued.txn_token and ran is not None and not ran.result.degraded

    def stages(self) -> list[Ran]:
        """What ran, in the chain's order."""
        return [self.ran[stage.name] for stage in COMPLETE_STAGES if stage.name in self.ran]

    def made(self) -> Decision:
        """What it came to."""
        return self.allowance.stopped or decision_of(COMPLETE_STAGES, self.stages())

    def subject(self) -> Subject:
        """What the audit event is about."""
        facts = self.looked.facts()
        return Subject("gateway.complete_stream", self.continued.txn, self.continued.principal, facts=facts)


class CompleteStream:
    """The streamed way back."""

    def __init__(
        self,
        services: Services,
        settling: Settling,
        finaliser: Finaliser,
        replies: Replies,
        signals: Signals | None = None,
    ) -> None:
        self._services = services
        self._signals = signals or Signals(services, frozenset())
        self._settling = settling
        self._finaliser = finaliser
        self._replies = replies

    async def run(
        self, requests: AsyncIterator[pb.CompleteStreamRequest], holder: str
    ) -> AsyncGenerator[pb.CompleteStreamResponse, None]:
        """Pieces for the owner, then the result; raises InvalidArgument when the first message has no admission."""
        first = await anext(requests, None)
        if first is None or not first.admission:
            raise InvalidArgument.of("admission", "must be given on the first message")
        state = StreamState(first.admission, holder, first.locale)
        outgoing: asyncio.Queue[str | None] = asyncio.Queue(WAITING)
        pump = asyncio.create_task(self._pump(state, _after(first, requests), outgoing))
        settled: ratelimit.CommitResponse | None = None
        abandoned = False
        try:
            while not (pump.done() and outgoing.empty()):
                piece = await outgoing.get()
                if piece is not None:
                    yield pb.CompleteStreamResponse(chunk=piece)
            await pump
            self._signals.decided(state.continued.txn_token, state.continued.txn, state.made().reason)
            await self._finaliser.record(state.subject(), state.made())
        except BaseException:
            abandoned = not current_call().recorded
            raise
        finally:
            settled = await to_its_end(self._ended(state, pump, abandoned=abandoned))
        yield pb.CompleteStreamResponse(result=result_of(state, settled, self._replies))
        # A client that is still sending when the call ends is told INTERNAL by its own library instead of the result.
        with contextlib.suppress(TimeoutError, KitError):
            async with asyncio.timeout(DRAIN):
                async for _ in requests:
                    pass

    async def _ended(
        self, state: StreamState, pump: asyncio.Task[None], *, abandoned: bool
    ) -> ratelimit.CommitResponse | None:
        """However it ended, also when its caller is cancelled once more: what was used is settled. That tells whose it
        was, so the record comes after."""
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        try:
            return await self._settle(state)
        finally:
            if abandoned:
                self._finaliser.abandoned(state.subject())

    async def _pump(
        self, state: StreamState, requests: AsyncIterator[pb.CompleteStreamRequest], outgoing: asyncio.Queue[str | None]
    ) -> None:
        """Reads, inspects, restores. Wakes the reader at its end; a full queue needs no waking."""
        try:
            if await self._go_on(state):
                await self._restored(state, self._inspected(state, requests), outgoing.put)
            if state.broken is not None:
                raise state.broken
        finally:
            with contextlib.suppress(asyncio.QueueFull):
                outgoing.put_nowait(None)

    async def _restored(
        self, state: StreamState, blocks: AsyncIterator[str], show: Callable[[str], Awaitable[None]]
    ) -> None:
        conversation = state.continued.conversation

        async def asked() -> AsyncIterator[redaction.RestoreStreamRequest]:
            yield redaction.RestoreStreamRequest(conversation=conversation)
            try:
                async for block in blocks:
                    yield redaction.RestoreStreamRequest(chunk=block)
            except InvalidArgument as error:  # the caller's message, not the peer's stream, is what is wrong
                state.broken = error

        started = time.perf_counter()
        result = Result(ALLOW, decision.REASON_NONE)
        try:
            async with aclosing(self._services.restore_stream(state.continued.txn_token, asked())) as answers:
                async for answer in answers:
                    if answer.chunk:
                        await show(answer.chunk)
        except (KitError, TimeoutError) as error:
            result = failure(_RESTORE, error)
        state.decided("restore", result, time.perf_counter() - started)

    async def _inspected(
        self, state: StreamState, requests: AsyncIterator[pb.CompleteStreamRequest]
    ) -> AsyncIterator[str]:
        async for request in requests:
            if request.HasField("usage"):
                usage = request.usage
                state.used = ratelimit.Cost(
                    input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, model=usage.model
                )
            state.counted.output_tokens += counted_output(request.chunk)
            # Before any more of it is shown: what was reserved is used up, so there must be more, or it stops here.
            if not await state.allowance.covers(self._services, state.continued, state.counted.output_tokens):
                return
            for block in state.blocks.add(request.chunk):
                looked = await self._inspect(state, block)
                if looked is None:
                    return
                yield looked
        looked = await self._inspect(state, state.blocks.rest())
        if looked:
            yield looked

    async def _inspect(self, state: StreamState, block: str) -> str | None:
        """The block as it may be shown; None when the stream must end."""
        if time.monotonic() >= state.fresh_until and not await self._go_on(state):
            return None
        started = time.perf_counter()
        text = ""
        try:
            continued = state.continued
            request = guardrail.InspectOutputRequest(
                conversation=continued.conversation,
                text=block,
                preceding=state.blocks.preceding,
                prompt_prints=continued.prompt_prints,
                prompt_seen=state.prompt_seen,
            )
            answer = await self._services.inspect_output(continued.txn_token, request)
            state.prompt_seen = answer.prompt_seen
            state.looked.add(answer.checks, answer.removed)
            text, result = answer.text, Result(answer.outcome, answer.reason)
        except (KitError, TimeoutError) as error:
            result = failure(_OUTPUT, error)
        state.blocks.released(block)
        return text if state.decided("output", result, time.perf_counter() - started) else None

    async def _go_on(self, state: StreamState) -> bool:
        started = time.perf_counter()
        try:
            result, continued = await go_on(self._services, state.admission, state.holder)
        except (KitError, TimeoutError) as error:
            result, continued = failure(_ADMISSION, error), state.continued
        if result.allowed:
            state.allowance.begin(continued)
            state.continued, state.fresh_until = continued, time.monotonic() + TOKEN_USE
        return state.decided("admission", result, time.perf_counter() - started)

    async def _settle(self, state: StreamState) -> ratelimit.CommitResponse | None:
        if state.refused:  # it holds nothing
            return None
        # A stream that ended in a long silence holds a token that has expired, one that ended at once never had any.
        fresh = time.monotonic() < state.fresh_until
        return await self._settling.commit(state, state.used, state.counted, fresh=fresh)


async def _after(
    first: pb.CompleteStreamRequest, rest: AsyncIterator[pb.CompleteStreamRequest]
) -> AsyncIterator[pb.CompleteStreamRequest]:
    yield first
    async for request in rest:
        yield request


def result_of(state: StreamState, settled: ratelimit.CommitResponse | None, replies: Replies) -> pb.CompleteResponse:
    """What the caller is told at the end."""
    made = state.made()
    note(made)
    result = pb.CompleteResponse(
        outcome=made.outcome,
        reason=made.reason,
        verdicts=verdicts(COMPLETE_STAGES, state.stages()),
        degraded=made.degraded or bool(state.continued.txn_token and settled is None),
        txn=state.continued.txn,
        trace_id=trace_id(),
    )
    if state.allowance.verdict is not None:
        result.verdicts.append(state.allowance.verdict)
    if settled is not None:
        result.settlement, result.micro_usd = settled.settlement, settled.micro_usd
    if not made.allowed:
        principal = state.continued.principal
        listener = Listener(principal.organisation, principal.brand, state.locale)
        result.safe_reply.CopyFrom(replies.reply(made.reason, made.retry_after, listener))
    return result
