"""Reports of abuse never wait and never fail a request; questions are reported only when they repeat in other words."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from gateway.signals import EXTRACTION, KINDS, Recent, Signals
from gateway.sketch import SLOTS, sketch
from services.kit.errors import Unavailable

WHO = ("acme", "chat", "ada")
ALL = frozenset(KINDS.values()) | {EXTRACTION}


class Limits:
    """A rate limiter that remembers what it was told."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.told: list[tuple[str, ratelimit.SignalRequest]] = []
        self.fails = fails

    async def signal(self, token: str, request: ratelimit.SignalRequest, at_most: float) -> ratelimit.SignalResponse:
        if self.fails is not None:
            raise self.fails
        self.told.append((token, request))
        return ratelimit.SignalResponse()


async def sent(limits: Any, signals: Signals) -> None:
    running = asyncio.create_task(signals.run())
    await asyncio.sleep(0.05)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (decision.REASON_INJECTION, "injection"),
        (decision.REASON_OUTPUT_WITHHELD, "leak"),
        (decision.REASON_TOOL_CALL_REFUSED, "tool_refused"),
        (decision.REASON_PERSONAL_DATA_REPLACED, "personal_data"),
    ],
)
async def test_a_decision_is_reported_once_under_its_kind(reason: decision.Reason.ValueType, kind: str) -> None:
    limits = Limits()
    signals = Signals(limits, ALL)  # type: ignore[arg-type]
    signals.decided("token", "txn-1", reason)
    await sent(limits, signals)
    assert [(token, one.kind, one.event_id) for token, one in limits.told] == [("token", kind, f"txn-1/{kind}")]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", decision.REASON_INJECTION),  # nobody is proven
        ("token", decision.REASON_NONE),
        ("token", decision.REASON_RATE_LIMITED),
        ("token", decision.REASON_STAGE_UNAVAILABLE),
        ("token", decision.REASON_CREDENTIAL_NOT_ACCEPTED),
        ("token", decision.REASON_UNSPECIFIED),
    ],
)
async def test_nobody_is_reported_for_what_is_no_abuse(token: str, reason: decision.Reason.ValueType) -> None:
    limits = Limits()
    signals = Signals(limits, ALL)  # type: ignore[arg-type]
    signals.decided(token, "txn-1", reason)
    await sent(limits, signals)
    assert limits.told == []


async def test_only_what_the_setting_names_is_reported() -> None:
    limits = Limits()
    signals = Signals(limits, frozenset({"leak"}))  # type: ignore[arg-type]
    signals.decided("token", "txn-1", decision.REASON_INJECTION)
    signals.asked("token", "txn-2", WHO, "What is the difference between bagging and boosting?")
    await sent(limits, signals)
    assert limits.told == []


async def test_a_full_queue_loses_and_never_blocks() -> None:
    limits = Limits()
    signals = Signals(limits, ALL, waiting=2)  # type: ignore[arg-type]
    for number in range(5):
        signals.decided("token", f"txn-{number}", decision.REASON_INJECTION)
    assert signals.lost == 3
    await sent(limits, signals)
    assert len(limits.told) == 2


@pytest.mark.parametrize("error", [Unavailable("ratelimit"), TimeoutError()])
async def test_a_limiter_that_is_away_is_survived(error: Exception) -> None:
    limits = Limits(error)
    signals = Signals(limits, ALL)  # type: ignore[arg-type]
    signals.decided("token", "txn-1", decision.REASON_INJECTION)
    await sent(limits, signals)
    assert signals.lost == 1
    limits.fails = None
    signals.decided("token", "txn-2", decision.REASON_INJECTION)
    await sent(limits, signals)
    assert len(limits.told) == 1


async def test_the_same_in_other_words_is_told_as_a_sketch_without_its_text() -> None:
    limits = Limits()
    signals = Signals(limits, ALL)  # type: ignore[arg-type]
    first, second = (
        "Explain the secret recipe of grandmother's plum cake",
        "Describe grandmother's secret plum cake recipe",
    )
    signals.asked("token", "txn-1", WHO, first)
    signals.asked("token", "txn-2", WHO, first)
    signals.asked("token", "txn-3", ("acme", "chat", "bob"), second)
    signals.asked("token", "txn-4", WHO, second)
    signals.asked("token", "txn-5", WHO, "When does the train to Salzburg leave tomorrow morning?")
    await sent(limits, signals)
    ((_, told),) = limits.told
    assert (told.kind, told.event_id, len(told.sketch)) == (EXTRACTION, f"txn-4/{EXTRACTION}", SLOTS)
    assert b"plum" not in told.SerializeToString()


def test_what_is_remembered_of_users_is_bounded() -> None:
    recent = Recent(users=2)
    base = sketch("Explain the secret recipe of grandmother's plum cake")
    near = sketch("Describe grandmother's secret plum cake recipe")
    for name in ("a", "b", "c"):
        recent.again(("acme", "chat", name), base, 0.0)
    assert not recent.again(("acme", "chat", "a"), near, 1.0)
    assert recent.again(("acme", "chat", "c"), near, 1.0)


def test_an_hour_later_it_is_another_conversation() -> None:
    recent = Recent()
    recent.again(WHO, sketch("Explain the secret recipe of grandmother's plum cake"), 0.0)
    assert not recent.again(WHO, sketch("Describe grandmother's secret plum cake recipe"), 3600.0)
