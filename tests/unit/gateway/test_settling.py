"""Settling has time of its own: neither a spent deadline, nor a caller that is gone, nor an old token leaves a hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from gateway.settling import Settling
from services.kit.call import Call
from services.kit.caller import current
from services.kit.deadline import remaining
from services.kit.errors import DeadlineExceeded, PermissionDenied, Unavailable

COST = ratelimit.Cost(requests=1, input_tokens=3, output_tokens=4)


@dataclass
class Held:
    """An admission and what is known of it."""

    admission: str = "adm"
    holder: str = "backend/demo"
    continued: auth.ContinueResponse = field(
        default_factory=lambda: auth.ContinueResponse(
            txn_token="old", reservation="r1", input_tokens=1, model="m", outcome=decision.OUTCOME_ALLOW
        )
    )


class Limits:
    """A rate limiter that remembers; each question needs time left, as over a channel."""

    again = auth.ContinueResponse(txn_token="fresh", reservation="r1", input_tokens=1, model="m")

    async def go_on(self, admission: str, holder: str) -> auth.ContinueResponse:
        remaining(1.0)
        return self.again

    def __init__(self) -> None:
        self.committed: list[tuple[str, ratelimit.Cost]] = []
        self.released: list[str] = []
        self.wait = 0.0

    async def release(self, token: str, reservation: str) -> ratelimit.ReleaseResponse:
        remaining(1.0)
        await asyncio.sleep(self.wait)
        self.released.append(reservation)
        return ratelimit.ReleaseResponse()

    async def commit(self, token: str, reservation: str, used: ratelimit.Cost) -> ratelimit.CommitResponse:
        remaining(1.0)
        await asyncio.sleep(self.wait)
        self.committed.append((token, used))
        return ratelimit.CommitResponse(settlement=ratelimit.SETTLEMENT_APPLIED)


def settling(limits: Any, budget: float = 1.0) -> Settling:
    return Settling(limits, budget)


async def test_a_spent_deadline_does_not_keep_a_hold() -> None:
    limits = Limits()
    call = Call("/x", None, None)  # type: ignore[arg-type]
    call.deadline = asyncio.get_running_loop().time() - 1
    current.set(call)
    with pytest.raises(DeadlineExceeded):
        remaining(1.0)
    await settling(limits).release("token", "r1")
    settled = await settling(limits).commit(Held(), COST, ratelimit.Cost())
    assert limits.released == ["r1"]
    assert settled is not None and settled.settlement == ratelimit.SETTLEMENT_APPLIED


async def test_a_caller_that_is_gone_does_not_stop_it() -> None:
    limits = Limits()
    limits.wait = 0.05
    own = settling(limits)
    asking = asyncio.create_task(own.release("token", "r1"))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0.1)
    assert limits.released == ["r1"]


async def test_the_larger_count_is_charged() -> None:
    limits = Limits()
    await settling(limits).commit(Held(), COST, ratelimit.Cost(output_tokens=9))
    ((token, used),) = limits.committed
    assert token == "old"
    assert (used.input_tokens, used.output_tokens, used.model) == (3, 9, "m")


@pytest.mark.parametrize("known", [True, False])
async def test_an_old_token_and_one_that_was_never_known_are_asked_for_anew(known: bool) -> None:
    limits = Limits()
    held = Held() if known else Held(continued=auth.ContinueResponse())
    await settling(limits).commit(held, COST, COST, fresh=False)
    assert [token for token, _ in limits.committed] == ["fresh"]
    assert held.continued.txn_token == "fresh"


async def test_who_was_revoked_meanwhile_settles_with_what_they_had() -> None:
    limits = Limits()
    limits.again = auth.ContinueResponse(outcome=decision.OUTCOME_DENY)
    await settling(limits).commit(Held(), COST, COST, fresh=False)
    assert [token for token, _ in limits.committed] == ["old"]


async def test_what_was_never_admitted_settles_nothing() -> None:
    limits = Limits()
    limits.again = auth.ContinueResponse(outcome=decision.OUTCOME_DENY)
    settled = await settling(limits).commit(Held(continued=auth.ContinueResponse()), COST, COST, fresh=False)
    assert limits.committed == []
    assert settled == ratelimit.CommitResponse()


class Failing(Limits):
    """Commits at the third attempt."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.asked = error, 0

    async def commit(self, token: str, reservation: str, used: ratelimit.Cost) -> ratelimit.CommitResponse:
        self.asked += 1
        if self.asked < 3:
            raise self.error
        return await super().commit(token, reservation, used)


@pytest.mark.parametrize("error", [Unavailable("ratelimit"), DeadlineExceeded(), TimeoutError()])
async def test_what_cannot_be_settled_now_is_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.settling.PAUSES", (0.01, 0.01, 0.01))
    limits = Failing(error)
    assert await settling(limits).commit(Held(), COST, COST) is None, "the caller does not wait for that"
    await asyncio.sleep(0.1)
    assert (limits.asked, len(limits.committed)) == (3, 1)


async def test_what_is_refused_is_left_to_the_rule_of_the_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.settling.PAUSES", (0.01, 0.01, 0.01))
    limits = Failing(PermissionDenied("NOT_THE_HOLDER", "another reserved it"))
    assert await settling(limits).commit(Held(), COST, COST) is None
    await asyncio.sleep(0.1)
    assert limits.asked == 1
