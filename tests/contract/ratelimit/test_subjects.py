"""What is in flight, what is clamped or exact, what an extension repeats, what a penalty weighs; midnights."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.policy import (
    Algorithm,
    Calendar,
    Costs,
    Group,
    Level,
    Mode,
    OnExpiry,
    Penalties,
    Price,
    Step,
    Subject,
    Unit,
    Zone,
)
from services.ratelimit.ports import Addition, Answer, Ask, BoundGroup, Reservation, Settled, Status, Use
from tests.contract.ratelimit.conftest import NOON
from tests.contract.ratelimit.support import SECOND, VirtualClock, ask, fresh, group, limit, request_id

FLIGHT = group(limit(Algorithm.LIVE, 3, 0, Unit.CONCURRENCY))
RULES = Penalties(
    half_life_ms=3_600_000,
    strike=100_000,
    enforced=True,
    longest_ms=60_000,
    forgiven_ms=3_600_000,
    slow_weight=3,
    limit_weight=9,
    steps=(Step(100_000, 10_000), Step(300_000, 10_000), Step(500_000, 10_000), Step(700_000, 10_000)),
)


async def penal(store: RedisLimits, org: str, limits: Group, mode: Mode = Mode.TAKE, requests: int = 1) -> Answer:
    bound = (BoundGroup(limits, ("ub", "ann")),)
    return await store.decide(Ask(org, bound, mode, Costs(requests, 0, 0), penalties=RULES))


async def test_what_is_in_flight_ends_when_settled_released_or_expired(timed: RedisLimits, clock: VirtualClock) -> None:
    org, names = fresh(), [request_id() for _ in range(3)]
    for name, seconds in zip(names, (10, 20, 30), strict=True):
        answer = await ask(timed, org, {"ann": FLIGHT}, Mode.RESERVE, request=name, hold=seconds * SECOND)
        assert answer.status is Status.ALLOWED
    refused = await ask(timed, org, {"ann": FLIGHT}, Mode.RESERVE)
    assert (refused.status, refused.standings[0].wait_us, refused.standings[0].remaining) == (Status.REFUSED, SECOND, 0)
    assert refused.standings[0].reset_us == 30 * SECOND
    await timed.commit(Reservation(org, names[2], "gateway"), Use(1, 0, 0, None))
    assert (await ask(timed, org, {"ann": FLIGHT}, Mode.PEEK)).standings[0].remaining == 1
    await clock.set(NOON + 10 * SECOND)
    assert (await ask(timed, org, {"ann": FLIGHT}, Mode.PEEK)).standings[0].remaining == 2
    assert await timed.release(Reservation(org, names[0], "gateway"), keep_requests=False) is Settled.EXPIRED
    assert await timed.release(Reservation(org, names[1], "gateway"), keep_requests=False) is Settled.APPLIED
    assert (await ask(timed, org, {"ann": FLIGHT}, Mode.PEEK)).standings[0].remaining == 3


async def test_twenty_abandoned_at_once_leave_nothing_in_flight(timed: RedisLimits, clock: VirtualClock) -> None:
    org, wide = fresh(), group(limit(Algorithm.LIVE, 20, 0, Unit.CONCURRENCY))
    for _ in range(20):
        await ask(timed, org, {"ann": wide}, Mode.RESERVE, hold=SECOND)
    assert (await ask(timed, org, {"ann": wide}, Mode.RESERVE)).status is Status.REFUSED
    await clock.set(NOON + SECOND)  # more than one call reaps
    assert (await ask(timed, org, {"ann": wide}, Mode.PEEK)).standings[0].remaining == 20


async def test_a_take_is_not_in_flight_and_an_extended_hold_stays_in_it(
    timed: RedisLimits, clock: VirtualClock
) -> None:
    org, name = fresh(), request_id()
    one = group(limit(Algorithm.LIVE, 1, 0, Unit.CONCURRENCY))
    for _ in range(3):
        assert (await ask(timed, org, {"ann": one}, requests=1)).status is Status.ALLOWED
    await ask(timed, org, {"ann": one}, Mode.RESERVE, request=name, hold=5 * SECOND)
    mine = Reservation(org, name, "gateway")
    assert await timed.extend(mine, Addition(Use(0, 0, 0, None), 60 * SECOND), one.limits) is not None
    await clock.set(NOON + 30 * SECOND)
    assert (await ask(timed, org, {"ann": one}, Mode.RESERVE)).status is Status.REFUSED
    assert (await ask(timed, org, {"ann": one}, requests=1)).status is Status.ALLOWED


async def test_no_room_for_one_in_flight_never_fits(limits: RedisLimits) -> None:
    none = group(limit(Algorithm.LIVE, 0, 0, Unit.CONCURRENCY))
    answer = await ask(limits, fresh(), {"ann": none}, Mode.RESERVE)
    assert (answer.status, answer.standings[0].never) == (Status.REFUSED, True)


EXACT = limit(Algorithm.CALENDAR, 1000, Calendar.DAY, Unit.TOKENS, exact=True)
CLAMPED = limit(Algorithm.CALENDAR, 1000, Calendar.DAY, Unit.TOKENS, hold_permille=500, id="clamped")


async def reserved(store: RedisLimits, org: str, tokens: int, most: int, name: str) -> Answer:
    bound = (BoundGroup(group(EXACT, CLAMPED), ("ub", "ann")),)
    costs = Costs(0, tokens, 0, most_tokens=most)
    return await store.decide(Ask(org, bound, Mode.RESERVE, costs, Price(1, 1), "gateway", name, 60 * SECOND))


async def test_an_exact_limit_reserves_the_most_and_another_the_estimate(limits: RedisLimits) -> None:
    org, name = fresh(), request_id()
    answer = await reserved(limits, org, 100, 800, name)
    assert [s.remaining for s in answer.standings] == [200, 900]
    refused = await reserved(limits, org, 100, 201, request_id())
    assert [s.fits for s in refused.standings] == [False, True]
    mine = Reservation(org, name, "gateway")
    # What is streamed within the most is new for the estimate only; what goes beyond is new for both.
    within = await limits.extend(mine, Addition(Use(0, 0, 300, None), SECOND), (EXACT, CLAMPED))
    beyond = await limits.extend(mine, Addition(Use(0, 0, 500, None), SECOND), (EXACT, CLAMPED))
    assert within is not None
    assert beyond is not None
    assert [s.remaining for s in within.standings] == [200, 600]
    assert [s.remaining for s in beyond.standings] == [100, 100]
    await limits.commit(mine, Use(0, 50, 50, None))
    look = await ask(limits, org, {"ann": group(EXACT, CLAMPED)}, Mode.PEEK)
    assert [s.remaining for s in look.standings] == [900, 900]


async def test_a_reservation_beyond_its_share_is_clamped_and_says_so(limits: RedisLimits) -> None:
    org = fresh()
    answer = await reserved(limits, org, 501, 501, request_id())
    assert [(s.fits, s.clamped, s.remaining) for s in answer.standings] == [(True, False, 499), (True, True, 500)]
    whole = await reserved(limits, fresh(), 500, 500, request_id())
    assert [s.clamped for s in whole.standings] == [False, False]
    never = await reserved(limits, fresh(), 1001, 1001, request_id())
    assert [(s.never, s.clamped) for s in never.standings] == [(True, False), (True, False)]


async def test_the_same_addition_is_made_once(limits: RedisLimits) -> None:
    org, name = fresh(), request_id()
    await reserved(limits, org, 100, 100, name)
    mine, one = Reservation(org, name, "gateway"), Addition(Use(0, 0, 50, None), SECOND, "part-0001")
    for replayed in (False, True, True):
        answer = await limits.extend(mine, one, (CLAMPED,))
        assert answer is not None
        assert (answer.replayed, answer.standings[0].remaining) == (replayed, 850)
    other = await limits.extend(mine, Addition(Use(0, 0, 51, None), SECOND, "part-0001"), (CLAMPED,))
    assert other is not None
    assert other.status is Status.SPENT
    second = await limits.extend(mine, Addition(Use(0, 0, 51, None), SECOND, "part-0002"), (CLAMPED,))
    assert second is not None
    assert second.standings[0].remaining == 799


async def test_a_refused_addition_may_be_tried_again(limits: RedisLimits) -> None:
    org, name = fresh(), request_id()
    await reserved(limits, org, 500, 500, name)
    blocking = request_id()
    await reserved(limits, org, 400, 400, blocking)
    mine, more = Reservation(org, name, "gateway"), Addition(Use(0, 0, 200, None), SECOND, "part-0001")
    refused = await limits.extend(mine, more, (EXACT, CLAMPED))
    await limits.release(Reservation(org, blocking, "gateway"), keep_requests=True)
    allowed = await limits.extend(mine, more, (EXACT, CLAMPED))
    assert refused is not None
    assert allowed is not None
    assert [a.status for a in (refused, allowed)] == [Status.REFUSED, Status.ALLOWED]
    assert not allowed.replayed


TWO = group(limit(Algorithm.SLIDING, 6, 60, on_expiry=OnExpiry.REFUND, trusted=8, trusted_below=150_000))


async def test_hammering_is_warned_slowed_limited_suspended_and_forgiven(
    redis: RedisStore, timed: RedisLimits, clock: VirtualClock
) -> None:
    org = fresh()
    assert (await penal(timed, org, TWO, requests=8)).status is Status.ALLOWED  # trusted: nothing is held against ann
    levels = []
    for _ in range(8):
        answer = await penal(timed, org, TWO)
        assert answer.status is Status.REFUSED
        levels.append(answer.penalty.level if answer.penalty else Level.NONE)
    warn, slow, few, out = Level.WARN, Level.SLOW, Level.LIMIT, Level.SUSPEND
    assert levels == [Level.NONE, warn, warn, slow, slow, few, few, out]
    # While suspended, nothing is added: it ends.
    client: Any = redis.client
    before = await client.dump(f"hk:ratelimit:{{{org}}}:ub:ann")
    suspended = await penal(timed, org, TWO)
    assert suspended.penalty is not None
    assert (suspended.penalty.level, suspended.penalty.subject) == (out, Subject.USER_BRAND)
    assert suspended.penalty.until_us == NOON + 10 * SECOND
    assert await client.dump(f"hk:ratelimit:{{{org}}}:ub:ann") == before
    await clock.set(NOON + 3 * 60 * SECOND)
    free = await penal(timed, org, TWO)
    assert (free.status, free.penalty, free.standings[0].limit.limit) == (Status.ALLOWED, None, 6)
    assert await client.hlen(f"hk:ratelimit:{{{org}}}:ub:ann") == 2


async def test_a_slowed_request_counts_several_times_but_can_always_be_made(
    timed: RedisLimits, clock: VirtualClock
) -> None:
    org = fresh()
    await penal(timed, org, TWO, requests=8)
    for _ in range(3):
        await penal(timed, org, TWO)
    await clock.set(NOON + 5 * SECOND)
    other = group(limit(Algorithm.GCRA, 9, 9))
    bound = (BoundGroup(other, ("ub", "ann")),)
    slowed = await timed.decide(Ask(org, bound, Mode.TAKE, Costs(1, 0, 0), penalties=RULES))
    assert (slowed.status, slowed.standings[0].remaining) == (Status.ALLOWED, 6)
    small = (BoundGroup(group(limit(Algorithm.GCRA, 2, 8)), ("ub", "ann")),)
    least = await timed.decide(Ask(org, small, Mode.TAKE, Costs(1, 0, 0), penalties=RULES))
    assert (least.status, least.standings[0].remaining) == (Status.ALLOWED, 0)
    unaware = await timed.decide(Ask(org, bound, Mode.TAKE, Costs(1, 0, 0)))
    assert unaware.standings[0].remaining == 5


async def test_what_many_share_is_never_penalised(redis: RedisStore, limits: RedisLimits) -> None:
    org, shared = fresh(), group(limit(Algorithm.SLIDING, 1, 3600), subject=Subject.ORGANISATION)
    for _ in range(20):
        answer = await penal(limits, org, shared)
    assert (answer.status, answer.penalty) == (Status.REFUSED, None)
    client: Any = redis.client
    assert await client.hexists(f"hk:ratelimit:{{{org}}}:ub:ann", "pen") is False


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("Europe/Berlin", "2026-03-29T00:00:00"),
        ("Europe/Berlin", "2026-03-30T00:00:00"),  # after the short day
        ("Europe/Berlin", "2026-10-26T00:00:00"),  # after the long one
        ("America/Santiago", "2026-09-06T01:00:00"),  # the first instant of a day without midnight
        ("America/Havana", "2026-11-01T00:00:00"),  # the first of two
        ("Asia/Kathmandu", "2028-03-01T00:00:00"),  # after a leap day
    ],
)
async def test_a_brands_day_ends_at_its_own_midnight_and_spending_stays_in_it(
    timed: RedisLimits, clock: VirtualClock, zone: str, midnight: str
) -> None:
    org, name, end = fresh(), request_id(), at(midnight, zone)
    own = group(limit(Algorithm.CALENDAR, 100, Calendar.DAY, Unit.TOKENS, zone=Zone.BRAND))
    bound = (BoundGroup(own, ("ub", "ann")),)

    async def spend(mode: Mode, tokens: int, request: str = "") -> Answer:
        costs = Costs(0, tokens, 0)
        return await timed.decide(Ask(org, bound, mode, costs, Price(1, 1), "gateway", request, 60 * SECOND, zone))

    await clock.set(end - SECOND)
    assert (await spend(Mode.RESERVE, 60, name)).standings[0].remaining == 40
    refused = await spend(Mode.TAKE, 41)
    assert (refused.status, refused.standings[0].wait_us) == (Status.REFUSED, SECOND)
    await clock.set(end)
    assert (await spend(Mode.TAKE, 100)).status is Status.ALLOWED
    # Begun yesterday, settled today: all of it is yesterday's.
    assert await timed.commit(Reservation(org, name, "gateway"), Use(0, 100, 0, None)) == (Settled.APPLIED, 1)
    assert (await spend(Mode.TAKE, 1)).status is Status.REFUSED
    await clock.set(end - 1)
    assert (await spend(Mode.TAKE, 1)).status is Status.REFUSED  # the clock stepped back: today stays closed
