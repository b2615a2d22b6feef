"""A streamed answer that grows past what was reserved asks for more, and stops where the limit says so."""

from __future__ import annotations

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from gateway.allowance import STEP
from services.kit.errors import Unavailable
from tests.unit.gateway.test_stream import Kept, Peers, through

PIECE = "A sentence of about forty characters, no more. " * 10  # 118 tokens by our count


class Budget(Peers):
    """A rate limiter with so many tokens left beyond what was reserved."""

    def __init__(self, reserved: int, left: int, breaks: bool = False) -> None:
        super().__init__()
        self.reserved, self.left, self.breaks = reserved, left, breaks
        self.asked: list[tuple[str, int]] = []

    async def go_on(self, admission: str, holder: str) -> auth.ContinueResponse:
        answer = await super().go_on(admission, holder)
        answer.output_tokens = self.reserved
        return answer

    async def extend(self, token: str, request: ratelimit.ExtendRequest, at_most: float) -> ratelimit.ExtendResponse:
        if self.breaks:
            raise Unavailable("ratelimit")
        tokens = request.more.output_tokens
        self.asked.append((request.request_id, tokens))
        if tokens > self.left:
            refused = ratelimit.ExtendResponse(
                outcome=decision.OUTCOME_THROTTLE, reason=decision.REASON_BUDGET_EXHAUSTED
            )
            refused.retry_after.FromSeconds(3600)
            return refused
        self.left -= tokens
        return ratelimit.ExtendResponse(outcome=decision.OUTCOME_ALLOW, reason=decision.REASON_NONE)


async def test_an_answer_within_what_was_reserved_asks_nothing() -> None:
    peers = Budget(reserved=1000, left=0)
    text, result = await through(peers, [PIECE] * 8)
    assert text == PIECE * 8
    assert result.outcome == decision.OUTCOME_ALLOW
    assert peers.asked == []


async def test_a_longer_one_asks_step_by_step() -> None:
    peers = Budget(reserved=100, left=10_000)
    text, result = await through(peers, [PIECE] * 12)
    assert text == PIECE * 12
    assert result.outcome == decision.OUTCOME_ALLOW
    assert peers.asked == [("stream-1", STEP), ("stream-2", STEP), ("stream-3", STEP)]


async def test_what_the_limit_does_not_cover_is_not_shown() -> None:
    peers, trail = Budget(reserved=200, left=STEP), Kept()
    text, result = await through(peers, [PIECE] * 40, trail=trail)
    assert len(text.encode()) / 4 <= 200 + STEP
    assert len(text) < len(PIECE) * 7
    assert (result.outcome, result.reason) == (decision.OUTCOME_THROTTLE, decision.REASON_BUDGET_EXHAUSTED)
    last = result.verdicts[-1]
    assert (last.stage, last.reason) == ("ratelimit", decision.REASON_BUDGET_EXHAUSTED)
    assert result.safe_reply.text
    # What was used is settled, and the end is on record.
    ((used,),) = [peers.committed]
    assert used.output_tokens <= 200 + STEP + 120
    assert [event.reason for event in trail.events] == [decision.REASON_BUDGET_EXHAUSTED]


async def test_one_large_piece_asks_for_all_of_it() -> None:
    peers = Budget(reserved=10, left=100_000)
    _, result = await through(peers, [PIECE * 30])
    assert result.outcome == decision.OUTCOME_ALLOW
    ((_, tokens),) = peers.asked
    assert tokens >= 30 * 110


async def test_a_limiter_that_is_away_ends_it() -> None:
    text, result = await through(Budget(reserved=100, left=10_000, breaks=True), [PIECE] * 6)
    assert text == ""
    assert (result.outcome, result.reason) == (decision.OUTCOME_DENY, decision.REASON_STAGE_UNAVAILABLE)
    assert result.degraded


@pytest.mark.parametrize("reserved", [0])
async def test_an_admission_that_does_not_say_is_settled_in_the_end(reserved: int) -> None:
    peers = Budget(reserved=reserved, left=0)
    text, _ = await through(peers, [PIECE] * 20)
    assert text == PIECE * 20
    assert peers.committed[0].output_tokens >= 20 * 110
