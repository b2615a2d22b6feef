"""Refused credentials are reported against address and key prefix; beside the request, bounded, and without the key."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from services.auth.flows.abuse_reports import AbuseReports, Refusal
from services.auth.policy.causes import Cause
from services.kit.errors import Unavailable

ADDRESS = "203.0.113.9"
KEY = "hbk_test_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"


class Limiter:
    """Remembers what it was told."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.told: list[Refusal] = []
        self.fails = fails

    async def auth_failed(self, refusal: Refusal) -> None:
        if self.fails is not None:
            raise self.fails
        self.told.append(refusal)


async def sent(reports: AbuseReports) -> None:
    running = asyncio.create_task(reports.run())
    await asyncio.sleep(0.02)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_what_is_told_holds_no_key() -> None:
    limiter = Limiter()
    reports = AbuseReports(limiter)
    reports.refused(Cause.KEY_UNKNOWN, "txn-1", ADDRESS, KEY)
    reports.refused(Cause.KEY_UNKNOWN, "txn-2", ADDRESS, KEY[:12] + "another")
    reports.refused(Cause.JWT_SIGNATURE, "txn-3", ADDRESS, "")
    await sent(reports)
    assert [one.event for one in limiter.told] == [f"txn-{n}/auth_failed" for n in (1, 2, 3)]
    assert limiter.told[0].key_prefix == limiter.told[1].key_prefix != ""
    assert limiter.told[2].key_prefix == ""
    assert "0123" not in str(limiter.told[0].key_prefix) or len(limiter.told[0].key_prefix) == 16
    assert KEY[9:12] not in repr(limiter.told).replace(limiter.told[0].key_prefix, "")


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause.value.startswith(("key_", "session_"))])
async def test_every_cause_of_keys_and_sessions_counts_alike(cause: Cause) -> None:
    """Else whom it counts would tell what the answer hides. A session that must rotate is open about it anyhow."""
    limiter = Limiter()
    reports = AbuseReports(limiter)
    reports.refused(cause, "txn-1", ADDRESS, KEY)
    await sent(reports)
    assert len(limiter.told) == (0 if cause is Cause.SESSION_MUST_ROTATE else 1)


@pytest.mark.parametrize(
    ("cause", "address"),
    [(Cause.NONE, ADDRESS), (Cause.JWT_EXPIRED, ADDRESS), (Cause.KIND_NOT_SERVED, ADDRESS), (Cause.KEY_UNKNOWN, "")],
)
async def test_who_is_not_counted(cause: Cause, address: str) -> None:
    limiter = Limiter()
    reports = AbuseReports(limiter)
    reports.refused(cause, "txn-1", address, KEY)
    await sent(reports)
    assert limiter.told == []


async def test_a_full_queue_and_a_limiter_away_lose_reports_and_nothing_else() -> None:
    limiter = Limiter(Unavailable("ratelimit"))
    reports = AbuseReports(limiter, waiting=3)
    for number in range(10):
        reports.refused(Cause.KEY_UNKNOWN, f"txn-{number}", ADDRESS, KEY)
    assert reports.lost == 7
    await sent(reports)
    assert reports.lost == 10
    limiter.fails = None
    reports.refused(Cause.KEY_UNKNOWN, "txn-11", ADDRESS, KEY)
    await sent(reports)
    assert len(limiter.told) == 1
