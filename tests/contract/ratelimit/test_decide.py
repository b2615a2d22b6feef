"""What a decision takes, and above all what it refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.kit.errors import Unavailable
from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.policy import Algorithm, Calendar, Group, Mode, Unit
from services.ratelimit.ports import Status
from tests.contract.ratelimit.conftest import NOON
from tests.contract.ratelimit.support import SECOND, VirtualClock, ask, fresh, group, limit, request_id

MINUTE = group(limit(Algorithm.SLIDING, 15, 60))
DAY = group(limit(Algorithm.CALENDAR, 50_000, Calendar.DAY, Unit.TOKENS))
MIDNIGHT = 1_772_323_200 * SECOND  # 2026-03-01 00:00:00 UTC, a month's end as well


async def contents(redis: RedisStore, org: str) -> dict[bytes, Any]:
    """Everything that is stored for an organisation."""
    client: Any = redis.client
    keys = sorted([key async for key in client.scan_iter(match=f"hk:ratelimit:{{{org}}}:*")])
    return {key: await client.dump(key) for key in keys}


@pytest.mark.parametrize("offset", [0, 1, 30 * SECOND, 59 * SECOND, 60 * SECOND - 1])
async def test_the_16th_message_of_a_minute_is_refused_with_the_time_to_retry(
    timed: RedisLimits, clock: VirtualClock, offset: int
) -> None:
    org = fresh()
    await clock.set(NOON + offset)
    for left in range(14, -1, -1):
        answer = await ask(timed, org, {"ann": MINUTE}, requests=1)
        assert (answer.status, answer.standings[0].remaining) == (Status.ALLOWED, left)
    refused = await ask(timed, org, {"ann": MINUTE}, requests=1)
    assert refused.status is Status.REFUSED
    wait = refused.standings[0].wait_us
    assert 0 < wait <= 65 * SECOND
    await clock.set(NOON + offset + wait - 1)
    assert (await ask(timed, org, {"ann": MINUTE}, requests=1)).status is Status.REFUSED
    await clock.set(NOON + offset + wait)
    assert (await ask(timed, org, {"ann": MINUTE}, requests=1)).status is Status.ALLOWED


async def test_a_burst_over_the_edge_of_a_minute_does_not_get_a_second_allowance(
    timed: RedisLimits, clock: VirtualClock
) -> None:
    org = fresh()
    allowed = 0
    for step in range(40):
        await clock.set(NOON + 59 * SECOND + step * 50_000)
        allowed += (await ask(timed, org, {"ann": MINUTE}, requests=1)).status is Status.ALLOWED
    assert allowed == 15


async def test_gcra_refuses_past_its_burst_and_gives_back_at_its_rate(timed: RedisLimits, clock: VirtualClock) -> None:
    org, ten = fresh(), {"key": group(limit(Algorithm.GCRA, 10, 60))}
    assert (await ask(timed, org, ten, requests=10)).status is Status.ALLOWED
    refused = await ask(timed, org, ten, requests=1)
    assert (refused.status, refused.standings[0].wait_us) == (Status.REFUSED, 6 * SECOND)
    await clock.set(NOON + 6 * SECOND)
    assert (await ask(timed, org, ten, requests=1)).status is Status.ALLOWED
    assert (await ask(timed, org, ten, requests=1)).status is Status.REFUSED


async def test_a_refused_request_writes_nothing(redis: RedisStore, limits: RedisLimits) -> None:
    org = fresh()
    groups: dict[str, Group] = {"ann": MINUTE, "all": group(limit(Algorithm.CALENDAR, 3, Calendar.DAY))}
    for mode in (Mode.TAKE, Mode.RESERVE, Mode.TAKE):
        assert (await ask(limits, org, groups, mode, requests=1)).status is Status.ALLOWED
    before = await contents(redis, org)
    for mode in (Mode.TAKE, Mode.RESERVE, Mode.PEEK):
        refused = await ask(limits, org, groups, mode, requests=1)
        assert refused.status is Status.REFUSED
        assert [s.fits for s in refused.standings] == [True, False]
    assert await contents(redis, org) == before


async def test_a_look_writes_nothing(redis: RedisStore, limits: RedisLimits) -> None:
    org = fresh()
    answer = await ask(limits, org, {"ann": MINUTE}, Mode.PEEK, requests=1)
    assert (answer.status, answer.standings[0].remaining) == (Status.ALLOWED, 15)
    assert await contents(redis, org) == {}


async def test_larger_than_the_limit_never_fits_and_has_no_time_to_wait(limits: RedisLimits) -> None:
    answer = await ask(limits, fresh(), {"ann": DAY}, tokens=50_001)
    assert answer.status is Status.REFUSED
    assert (answer.standings[0].never, answer.standings[0].wait_us) == (True, 0)


async def test_a_limit_that_observes_refuses_nothing(limits: RedisLimits) -> None:
    org, groups = fresh(), {"ann": group(limit(Algorithm.SLIDING, 1, 3600, observe=True))}
    answers = [await ask(limits, org, groups, requests=1) for _ in range(3)]
    assert [a.status for a in answers] == [Status.ALLOWED] * 3
    assert [a.standings[0].fits for a in answers] == [True, False, False]


async def test_a_day_ends_at_midnight_utc_and_a_month_with_its_last_day(
    timed: RedisLimits, clock: VirtualClock
) -> None:
    org = fresh()
    groups = {"d": DAY, "m": group(limit(Algorithm.CALENDAR, 60_000, Calendar.MONTH, Unit.TOKENS))}
    await clock.set(MIDNIGHT - 1)
    assert (await ask(timed, org, groups, tokens=50_000)).status is Status.ALLOWED
    refused = await ask(timed, org, groups, tokens=20_000)
    assert [(s.fits, s.wait_us) for s in refused.standings] == [(False, 1), (False, 1)]
    await clock.set(MIDNIGHT)
    fresh_day = await ask(timed, org, groups, tokens=1)
    assert [(s.remaining, s.reset_us) for s in fresh_day.standings] == [
        (49_999, 86_400 * SECOND),
        (59_999, 31 * 86_400 * SECOND),
    ]


async def test_the_windows_follow_redis_when_the_service_clock_is_a_little_off(
    redis: RedisStore, timed: RedisLimits, clock: VirtualClock
) -> None:
    org = fresh()
    await clock.set(MIDNIGHT - 1)
    await ask(timed, org, {"d": DAY}, tokens=50_000)
    clock.now_us = MIDNIGHT + 5 * SECOND  # the service believes that the day is over
    assert (await ask(timed, org, {"d": DAY}, tokens=1)).status is Status.REFUSED
    clock.now_us = MIDNIGHT + 40 * 86_400 * SECOND
    with pytest.raises(Unavailable):
        await ask(timed, org, {"d": DAY}, tokens=1)


async def test_a_clock_that_steps_back_opens_nothing(timed: RedisLimits, clock: VirtualClock) -> None:
    org = fresh()
    groups = {"g": group(limit(Algorithm.GCRA, 2, 60)), "s": group(limit(Algorithm.SLIDING, 2, 60)), "d": DAY}
    await clock.set(MIDNIGHT + SECOND)
    assert (await ask(timed, org, groups, requests=2, tokens=50_000)).status is Status.ALLOWED
    await clock.set(MIDNIGHT - 30 * SECOND)
    refused = await ask(timed, org, groups, requests=1, tokens=1)
    assert [s.fits for s in refused.standings] == [False, False, False]


async def test_the_same_request_id_is_charged_once_and_only_for_the_same_request(limits: RedisLimits) -> None:
    org, name = fresh(), request_id()
    first = await ask(limits, org, {"ann": MINUTE}, requests=1, request=name)
    again = await ask(limits, org, {"ann": MINUTE}, requests=1, request=name)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.standings[0].remaining == 14
    spent = [
        await ask(limits, org, {"ann": MINUTE}, requests=2, request=name),
        await ask(limits, org, {"bob": MINUTE}, requests=1, request=name),
        await ask(limits, org, {"ann": MINUTE}, Mode.RESERVE, requests=1, request=name),
        await ask(limits, org, {"ann": MINUTE}, requests=1, request=name, workload="backend/shop"),
    ]
    assert [a.status for a in spent] == [Status.SPENT] * 4


async def test_an_exhausted_budget_is_not_entered_by_a_reservation_without_an_amount(limits: RedisLimits) -> None:
    org = fresh()
    await ask(limits, org, {"ann": DAY}, tokens=50_000)
    assert (await ask(limits, org, {"ann": DAY}, Mode.RESERVE, tokens=0)).status is Status.REFUSED


async def test_organisations_and_users_do_not_share(limits: RedisLimits) -> None:
    org = fresh()
    await ask(limits, org, {"ann": MINUTE}, requests=15)
    assert (await ask(limits, org, {"ann": MINUTE}, requests=1)).status is Status.REFUSED
    assert (await ask(limits, org, {"bob": MINUTE}, requests=1)).status is Status.ALLOWED
    assert (await ask(limits, fresh(), {"ann": MINUTE}, requests=1)).status is Status.ALLOWED


async def test_2000_reservations_at_once_admit_exactly_what_fits(limits: RedisLimits) -> None:
    org = fresh()
    sibling = group(limit(Algorithm.CALENDAR, 10_000, Calendar.MONTH))
    groups = {"ann": DAY, "all": sibling}
    answers = await asyncio.gather(
        *(ask(limits, org, groups, Mode.RESERVE, requests=1, tokens=700) for _ in range(2000))
    )
    assert sum(a.status is Status.ALLOWED for a in answers) == 71
    look = await ask(limits, org, groups, Mode.PEEK)
    assert [s.remaining for s in look.standings] == [300, 10_000 - 71]


async def test_state_has_a_fixed_size_and_an_end(redis: RedisStore, timed: RedisLimits, clock: VirtualClock) -> None:
    org = fresh()
    groups = {"ann": group(limit(Algorithm.SLIDING, 5, 10), limit(Algorithm.GCRA, 5, 10))}
    for minute in range(30):
        await clock.set(NOON + minute * 7 * SECOND)
        await ask(timed, org, groups, requests=1)
    client: Any = redis.client
    key = f"hk:ratelimit:{{{org}}}:ub:ann"
    assert await client.hlen(key) == 2
    assert 0 < await client.pttl(key) <= 200_000


async def test_one_decision_is_one_round_trip(redis: RedisStore, limits: RedisLimits) -> None:
    groups = {"ann": MINUTE, "all": DAY, "key": group(limit(Algorithm.GCRA, 100, 60))}
    await ask(limits, fresh(), groups, requests=1)
    before = redis.round_trips
    await ask(limits, fresh(), groups, Mode.RESERVE, requests=1, tokens=5)
    assert redis.round_trips - before == 1


async def test_a_server_that_forgot_the_scripts_is_taught_again(redis: RedisStore, limits: RedisLimits) -> None:
    org = fresh()
    client: Any = redis.client
    await client.script_flush()
    assert (await ask(limits, org, {"ann": MINUTE}, requests=1)).standings[0].remaining == 14
