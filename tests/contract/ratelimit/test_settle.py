"""What becomes of a reservation: settled once, by its owner, in its own window, or expired by rule."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.policy import Algorithm, Calendar, Mode, OnExpiry, Price, Unit
from services.ratelimit.ports import Addition, Reservation, Settled, Status, Use
from tests.contract.ratelimit.conftest import NOON
from tests.contract.ratelimit.support import SECOND, VirtualClock, ask, fresh, group, limit, request_id

REQUESTS = limit(Algorithm.CALENDAR, 100, Calendar.DAY, on_expiry=OnExpiry.REFUND)
TOKENS = limit(Algorithm.CALENDAR, 1000, Calendar.DAY, Unit.TOKENS, on_expiry=OnExpiry.REFUND)
MONEY = limit(Algorithm.CALENDAR, 10_000, Calendar.DAY, Unit.MICRO_USD)
ALL = group(REQUESTS, TOKENS, MONEY)
PRICE = Price(1_000_000, 2_000_000)  # one and two micro-USD per token
MIDNIGHT = 1_772_323_200 * SECOND


async def reserve(store: RedisLimits, org: str, **more: Any) -> Reservation:
    name = request_id()
    spend = {"requests": 1, "tokens": 300, "micro_usd": 500, **more}
    answer = await ask(store, org, {"ann": ALL}, Mode.RESERVE, request=name, price=PRICE, **spend)
    assert answer.status is Status.ALLOWED
    return Reservation(org, name, "gateway")


async def used(store: RedisLimits, org: str) -> list[int]:
    look = await ask(store, org, {"ann": ALL}, Mode.PEEK)
    return [s.limit.capacity - s.remaining for s in look.standings]


async def test_a_commit_settles_at_what_was_used_and_only_once(limits: RedisLimits) -> None:
    org = fresh()
    reservation = await reserve(limits, org)
    assert await used(limits, org) == [1, 300, 500]
    use = Use(0, 100, 20, None)
    results = await asyncio.gather(*(limits.commit(reservation, use) for _ in range(20)))
    assert sorted(results) == [(Settled.APPLIED, 140)] + [(Settled.ALREADY, 140)] * 19
    assert await used(limits, org) == [1, 120, 140]
    assert await limits.release(reservation, keep_requests=False) is Settled.ALREADY
    assert await used(limits, org) == [1, 120, 140]


async def test_using_more_than_was_reserved_is_charged_and_becomes_debt(limits: RedisLimits) -> None:
    org = fresh()
    reservation = await reserve(limits, org)
    await limits.commit(reservation, Use(0, 1200, 0, None))
    refused = await ask(limits, org, {"ann": ALL}, Mode.RESERVE, tokens=1)
    assert refused.status is Status.REFUSED
    assert refused.standings[1].remaining == 0


async def test_a_commit_may_name_another_price(limits: RedisLimits) -> None:
    reservation = await reserve(limits, fresh())
    assert await limits.commit(reservation, Use(0, 100, 20, Price(10_000_000, 0))) == (Settled.APPLIED, 1000)


@pytest.mark.parametrize(("keep", "left"), [(True, [1, 0, 0]), (False, [0, 0, 0])])
async def test_a_release_gives_back_all_but_the_request(limits: RedisLimits, keep: bool, left: list[int]) -> None:
    org = fresh()
    reservation = await reserve(limits, org)
    assert await limits.release(reservation, keep_requests=keep) is Settled.APPLIED
    assert await limits.release(reservation, keep_requests=keep) is Settled.ALREADY
    assert await limits.commit(reservation, Use(1, 100, 100, None)) == (Settled.ALREADY, 0)
    assert await used(limits, org) == left


@pytest.mark.parametrize("foreign", ["backend/shop", "gateway/2", "", "GATEWAY"])
async def test_another_workload_can_neither_settle_nor_extend(limits: RedisLimits, foreign: str) -> None:
    org = fresh()
    mine = await reserve(limits, org)
    theirs = Reservation(org, mine.id, foreign)
    assert await limits.commit(theirs, Use(0, 0, 0, None)) == (Settled.UNKNOWN, 0)
    assert await limits.release(theirs, keep_requests=False) is Settled.UNKNOWN
    assert await limits.extend(theirs, Addition(Use(0, 1, 0, None), SECOND), ALL.limits) is None
    assert await used(limits, org) == [1, 300, 500]


async def test_unknown_foreign_and_taken_are_not_reservations(limits: RedisLimits) -> None:
    org, name = fresh(), request_id()
    mine = await reserve(limits, org)
    await ask(limits, org, {"ann": ALL}, Mode.TAKE, requests=1, request=name)
    for other in (
        Reservation(org, request_id(), "gateway"),
        Reservation(fresh(), mine.id, "gateway"),
        Reservation(org, name, "gateway"),
    ):
        assert await limits.commit(other, Use(0, 0, 0, None)) == (Settled.UNKNOWN, 0)
        assert await limits.release(other, keep_requests=False) is Settled.UNKNOWN


async def test_a_crash_refunds_rates_and_charges_money(timed: RedisLimits, clock: VirtualClock) -> None:
    org = fresh()
    reservation = await reserve(timed, org)
    await clock.set(NOON + 60 * SECOND - 1)
    assert await used(timed, org) == [1, 300, 500]
    await clock.set(NOON + 60 * SECOND)
    assert await used(timed, org) == [0, 0, 500]
    assert await used(timed, org) == [0, 0, 500]
    # It did happen after all: told late, it is counted late, once.
    assert await timed.commit(reservation, Use(0, 100, 20, None)) == (Settled.EXPIRED, 140)
    assert await timed.commit(reservation, Use(0, 100, 20, None)) == (Settled.ALREADY, 140)
    assert await used(timed, org) == [1, 120, 140]


async def test_an_expired_reservation_cannot_be_extended_or_replayed(timed: RedisLimits, clock: VirtualClock) -> None:
    org = fresh()
    reservation = await reserve(timed, org)
    await clock.set(NOON + 61 * SECOND)
    assert await timed.extend(reservation, Addition(Use(0, 1, 0, None), SECOND), ALL.limits) is None
    again = await ask(
        timed, org, {"ann": ALL}, Mode.RESERVE, request=reservation.id, requests=1, tokens=300, micro_usd=500
    )
    assert again.status is Status.SPENT


async def test_reaping_is_bounded_and_ends(redis: RedisStore, timed: RedisLimits, clock: VirtualClock) -> None:
    org = fresh()
    for _ in range(20):
        await reserve(timed, org, tokens=10, micro_usd=10)
    await clock.set(NOON + 60 * SECOND)
    assert [(await used(timed, org))[0] for _ in range(4)] == [12, 4, 0, 0]
    client: Any = redis.client
    assert await client.zcard(f"hk:ratelimit:{{{org}}}:hx") == 0


async def test_spending_begun_before_midnight_belongs_to_that_day(timed: RedisLimits, clock: VirtualClock) -> None:
    org = fresh()
    await clock.set(MIDNIGHT - SECOND)
    reservation = await reserve(timed, org)
    await clock.set(MIDNIGHT + SECOND)
    await ask(timed, org, {"ann": ALL}, requests=1, tokens=7, micro_usd=7)
    assert await timed.commit(reservation, Use(0, 900, 0, None)) == (Settled.APPLIED, 900)
    assert await used(timed, org) == [1, 7, 7]
    await clock.set(MIDNIGHT - SECOND)


async def test_a_refund_reaches_the_previous_sliding_window(timed: RedisLimits, clock: VirtualClock) -> None:
    org, name = fresh(), request_id()
    groups = {"ann": group(limit(Algorithm.SLIDING, 100, 10, Unit.TOKENS))}
    await ask(timed, org, groups, Mode.RESERVE, tokens=100, request=name)
    await clock.set(NOON + 10 * SECOND)
    assert (await ask(timed, org, groups, tokens=1)).status is Status.REFUSED
    await timed.commit(Reservation(org, name, "gateway"), Use(0, 40, 0, None))
    assert (await ask(timed, org, groups, Mode.PEEK)).standings[0].remaining == 60
    assert (await ask(timed, org, groups, tokens=61)).status is Status.REFUSED


async def test_a_commit_into_a_window_that_was_empty_keeps_the_one_before(
    timed: RedisLimits, clock: VirtualClock
) -> None:
    org, name = fresh(), request_id()
    groups = {"ann": group(limit(Algorithm.SLIDING, 100, 10, Unit.TOKENS))}
    await ask(timed, org, groups, tokens=80)
    await clock.set(NOON + 10 * SECOND)
    await ask(timed, org, groups, Mode.RESERVE, tokens=0, request=name)
    await timed.commit(Reservation(org, name, "gateway"), Use(0, 15, 0, None))
    assert (await ask(timed, org, groups, Mode.PEEK)).standings[0].remaining == 5


async def test_an_extension_is_all_or_nothing(limits: RedisLimits) -> None:
    org = fresh()
    reservation = await reserve(limits, org)
    refused = await limits.extend(reservation, Addition(Use(0, 701, 0, None), 60 * SECOND), ALL.limits)
    assert refused is not None
    assert refused.status is Status.REFUSED
    assert [s.fits for s in refused.standings] == [True, False, True]
    assert await used(limits, org) == [1, 300, 500]
    allowed = await limits.extend(reservation, Addition(Use(0, 100, 600, None), 120 * SECOND), ALL.limits)
    assert allowed is not None
    assert allowed.status is Status.ALLOWED
    assert allowed.expires_us - allowed.now_us == 120 * SECOND
    assert await used(limits, org) == [1, 1000, 1800]
    await limits.release(reservation, keep_requests=True)
    assert await used(limits, org) == [1, 0, 0]


async def test_an_extension_counts_in_the_window_of_its_reservation(timed: RedisLimits, clock: VirtualClock) -> None:
    org, name = fresh(), request_id()
    sliding = group(limit(Algorithm.SLIDING, 100, 10, Unit.TOKENS))
    await ask(timed, org, {"ann": sliding}, Mode.RESERVE, tokens=60, request=name)
    await clock.set(NOON + 15 * SECOND)
    assert (await ask(timed, org, {"ann": sliding}, tokens=50)).status is Status.ALLOWED
    reservation = Reservation(org, name, "gateway")
    # Half of (60 + 40) still weighs on the window that holds 50: 100, and not one more.
    too_much = await timed.extend(reservation, Addition(Use(0, 41, 0, None), SECOND), sliding.limits)
    fits = await timed.extend(reservation, Addition(Use(0, 40, 0, None), SECOND), sliding.limits)
    assert too_much is not None
    assert fits is not None
    assert (too_much.status, fits.status) == (Status.REFUSED, Status.ALLOWED)


async def test_an_extension_into_yesterday_needs_room_in_yesterday(timed: RedisLimits, clock: VirtualClock) -> None:
    org = fresh()
    await clock.set(MIDNIGHT - SECOND)
    reservation = await reserve(timed, org)
    await clock.set(MIDNIGHT + SECOND)
    refused = await timed.extend(reservation, Addition(Use(0, 701, 0, None), SECOND), ALL.limits)
    assert refused is not None
    assert refused.status is Status.REFUSED
    allowed = await timed.extend(reservation, Addition(Use(0, 700, 0, None), SECOND), ALL.limits)
    assert allowed is not None
    assert allowed.status is Status.ALLOWED
    assert await used(timed, org) == [0, 0, 0]


async def test_a_late_refund_of_a_rate_never_gives_back_what_time_gave(timed: RedisLimits, clock: VirtualClock) -> None:
    org = fresh()
    rate = {"key": group(limit(Algorithm.GCRA, 10, 10, on_expiry=OnExpiry.REFUND))}
    await ask(timed, org, rate, Mode.RESERVE, requests=10, hold=9 * SECOND)
    await clock.set(NOON + 10 * SECOND)  # drained, and only now reaped
    assert (await ask(timed, org, rate, requests=10)).status is Status.ALLOWED
    assert (await ask(timed, org, rate, requests=1)).status is Status.REFUSED
