"""What is kept of a limit: state written as text before is not lost, and no state dies before it stops to matter."""

from __future__ import annotations

from typing import Any

import pytest

from services.kit.redis import RedisStore
from services.ratelimit.adapters.packing import counted
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.adapters.wire_form import field_of
from services.ratelimit.policy import Algorithm, Calendar
from services.ratelimit.ports import Status
from tests.contract.ratelimit.conftest import NOON
from tests.contract.ratelimit.support import SECOND, VirtualClock, ask, fresh, group, limit

MINUTE = limit(Algorithm.SLIDING, 10**9, 60)
DAY = limit(Algorithm.CALENDAR, 10**9, Calendar.DAY)
NOW_S = NOON // SECOND


def key_of(org: str) -> str:
    return f"hk:ratelimit:{{{org}}}:ub:u"


@pytest.mark.parametrize("used", [999_999_999, 999_999_990, 5])
@pytest.mark.parametrize("before", [0, 7, 12_345, 123_456_789])
async def test_counters_that_were_written_as_text_still_count(
    timed: RedisLimits, redis: RedisStore, clock: VirtualClock, used: int, before: int
) -> None:
    await clock.set(NOON)
    org, client = fresh("text"), redis.client
    rows: Any = {
        field_of(MINUTE, "UTC"): f"{NOW_S // 60}:{used}:0",
        field_of(DAY, "UTC"): f"{NOW_S // 86_400 * 86_400}:{used}:{before}",
    }
    await client.hset(key_of(org), mapping=rows)
    answer = await ask(timed, org, {"u": group(MINUTE, DAY)}, requests=10)
    assert answer.status is (Status.ALLOWED if used + 10 <= 10**9 else Status.REFUSED)
    assert [standing.remaining for standing in answer.standings] == [
        10**9 - used - 10 * (answer.status is Status.ALLOWED)
    ] * 2
    value: Any = await client.hget(key_of(org), field_of(DAY, "UTC"))
    if answer.status is Status.ALLOWED:
        assert counted(value) == used + 10
    else:
        assert value.decode() == rows[field_of(DAY, "UTC")]


async def test_the_first_write_of_each_window_renews_the_life_of_the_state(
    timed: RedisLimits, redis: RedisStore, clock: VirtualClock
) -> None:
    await clock.set(NOON)
    org, groups, client = fresh("life"), {"u": group(MINUTE)}, redis.client
    await ask(timed, org, groups, requests=1)
    assert await client.pttl(key_of(org)) > 175_000
    await client.pexpire(key_of(org), 120_000)
    await ask(timed, org, groups, requests=1)
    assert await client.pttl(key_of(org)) <= 120_000  # as long as this window and the next: enough
    await clock.set(NOON + 60 * SECOND)
    await ask(timed, org, groups, requests=1)
    assert await client.pttl(key_of(org)) > 175_000


async def test_a_rate_that_remembers_for_longer_than_a_window_renews_it_every_time(
    timed: RedisLimits, redis: RedisStore, clock: VirtualClock
) -> None:
    await clock.set(NOON)
    slow = limit(Algorithm.GCRA, 10, 36_000)
    org, groups, client = fresh("life"), {"u": group(MINUTE, slow)}, redis.client
    for _ in range(2):
        await ask(timed, org, groups, requests=1)
        assert await client.pttl(key_of(org)) > 36_000_000
        await client.pexpire(key_of(org), 120_000)
