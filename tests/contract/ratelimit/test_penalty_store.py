"""Penalties in the real Redis: the scripts agree with the arithmetic, count an event once, and forget on demand."""

from __future__ import annotations

import random

import pytest

from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_penalties import RedisPenalties
from services.ratelimit.policy.model import Level, Mode, Penalties
from services.ratelimit.policy.penalties import MOST, Burst, Culprit, Held, decayed, struck
from services.ratelimit.ports import Ask, BoundGroup
from services.ratelimit.ports.penalties import Accused, Report
from tests.contract.ratelimit.support import (
    SECOND,
    VirtualClock,
    ask,
    default_policy,
    fresh,
    group,
    limit,
    request_id,
    virtual_common,
)
from tests.contract.ratelimit.support import virtual_limits as timed_limits

NOON = 1_767_268_800 * SECOND
BURST = Burst(window_ms=600_000, remembered=16, alike=14, queries=8)


def rules() -> Penalties:
    found = default_policy().penalties
    assert found is not None
    return found.compiled()


RULES = rules()


@pytest.fixture
def penalties(redis: RedisStore) -> RedisPenalties:
    """On the clock that the test sets."""
    return RedisPenalties(redis, virtual_common())


def somebody(org: str = "") -> Accused:
    return Accused(Culprit.USER_BRAND, org or fresh("pen"), ("ub", "brand", "ada"))


def report(weight: int = 100_000, kind: str = "injection") -> Report:
    return Report(kind, weight, request_id())


@pytest.mark.parametrize("seed", range(5))
async def test_script_and_arithmetic_agree(penalties: RedisPenalties, clock: VirtualClock, seed: int) -> None:
    draw, who, expected, now = random.Random(seed), somebody(), Held(), NOON
    for _ in range(30):
        now += draw.choice([0, 1_000, SECOND, 60 * SECOND, 1800 * SECOND, 7200 * SECOND, 90_000 * SECOND])
        await clock.set(now)
        weight = draw.choice([1, 1_000, 50_000, 150_000, 400_000, MOST])
        ((found,), _) = await penalties.signal([who], report(weight), RULES)
        expected = struck(expected, RULES, weight, now // 1000)
        assert (found.score, found.strikes, found.level, found.until_ms) == (
            expected.score,
            expected.strikes,
            expected.level,
            expected.until_ms,
        )
        now += draw.choice([1_000, 60 * SECOND, 3600 * SECOND])
        await clock.set(now)
        (seen,) = await penalties.held([who], RULES)
        later = decayed(expected, RULES, now // 1000)
        assert (seen.score, seen.strikes, seen.level) == (later.score, later.strikes, later.level)
    assert later.score <= MOST


async def test_an_event_counts_once(penalties: RedisPenalties, clock: VirtualClock) -> None:
    who, same = somebody(), report()
    first = await penalties.signal([who], same, RULES)
    again = await penalties.signal([who], same, RULES)
    assert (first[1], again[1]) == (False, True)
    assert again[0][0].score == first[0][0].score
    assert again[0][0].counts == {"injection": 1}


async def test_kinds_are_counted_and_begin_anew_when_all_is_forgotten(
    penalties: RedisPenalties, clock: VirtualClock
) -> None:
    who = somebody()
    for kind in ("injection", "leak", "injection"):
        ((held,), _) = await penalties.signal([who], report(10_000, kind), RULES)
    assert held.counts == {"injection": 2, "leak": 1}
    await clock.set(clock.now_us + 400 * 86_400 * SECOND)
    ((held,), _) = await penalties.signal([who], report(10_000, "leak"), RULES)
    assert held.counts == {"leak": 1}


async def test_forgiving_leaves_nothing_behind(
    penalties: RedisPenalties, clock: VirtualClock, redis: RedisStore
) -> None:
    who = somebody()
    key = f"hk:ratelimit:{{{who.partition}}}:ub:brand:ada"
    for _ in range(12):
        await penalties.signal([who], report(), RULES)
    held, _ = await penalties.clear(who, RULES, [], wipe=True)
    assert held.level is Level.SUSPEND
    assert held.counts == {"injection": 12}
    # Exactly what was there before anything happened: nothing.
    assert await redis.client.exists(key) == 0
    (after,) = await penalties.held([who], RULES)
    assert after.nothing
    ((anew,), _) = await penalties.signal([who], report(), RULES)
    assert (anew.strikes, anew.counts) == (0, {"injection": 1})


async def test_a_counter_is_set_to_zero_and_its_neighbours_stay(
    penalties: RedisPenalties, clock: VirtualClock, redis: RedisStore
) -> None:
    from services.ratelimit.policy import Algorithm

    store = timed_limits(redis, clock)
    minute, hour = limit(Algorithm.SLIDING, 10, 60), limit(Algorithm.SLIDING, 100, 3600)
    steady = limit(Algorithm.GCRA, 10, 600)
    org, limits = fresh("pen"), group(minute, hour, steady)
    for _ in range(7):
        await ask(store, org, {"brand:ada": limits}, requests=1)
    who = Accused(Culprit.USER_BRAND, org, ("ub", "brand:ada"))
    _, cleared = await penalties.clear(who, RULES, [minute.id, steady.id], wipe=False)
    assert {(one.limit_id, one.used) for one in cleared} == {(minute.id, 7), (steady.id, 0)}
    assert [one.whole_in_ms for one in cleared if one.limit_id == steady.id] == [7 * 60_000]
    answer = await ask(store, org, {"brand:ada": limits}, Mode.PEEK)
    assert [standing.remaining for standing in answer.standings] == [10, 93, 10]


async def test_a_decision_sees_what_is_held_in_its_one_round_trip(
    penalties: RedisPenalties, clock: VirtualClock, redis: RedisStore
) -> None:
    from services.ratelimit.policy import Algorithm, Costs

    store, org = timed_limits(redis, clock), fresh("pen")
    limits = group(limit(Algorithm.SLIDING, 1000, 60))
    who = Accused(Culprit.USER_BRAND, org, ("ub", "brand", "ada"))

    def asked(user: str) -> Ask:
        bound = (BoundGroup(limits, ("ub", "brand", user)),)
        return Ask(org, bound, Mode.TAKE, Costs(1, 0, 0), request_id=request_id(), penalties=RULES)

    await store.decide(asked("ada"))
    for _ in range(9):
        await penalties.signal([who], report(), RULES)
    before = redis.round_trips
    refused = await store.decide(asked("ada"))
    assert redis.round_trips - before == 1
    assert refused.status == 0
    assert refused.penalty is not None and refused.penalty.level is Level.SUSPEND
    other = await store.decide(asked("bob"))
    assert other.status == 1
    assert other.penalty is None
    await clock.set(refused.penalty.until_us)
    assert (await store.decide(asked("ada"))).status == 1


def sketches(count: int, changed: int) -> list[bytes]:
    """Nearly equal ones: each differs from the others in at most twice `changed` places."""
    draw, base = random.Random(3), bytes(range(32))
    found = []
    for number in range(count):
        one = bytearray(base)
        for place in draw.sample(range(32), changed):
            one[place] = 100 + number
        found.append(bytes(one))
    return found


async def test_a_burst_of_nearly_equal_questions_is_one_report(penalties: RedisPenalties, clock: VirtualClock) -> None:
    who, reported = somebody(), []
    for found in sketches(16, 4):
        reported.append((await penalties.query(who, found, BURST, report(150_000, "model_extraction"), RULES))[1])
    assert [number for number, yes in enumerate(reported, 1) if yes] == [8, 15]
    (held,) = await penalties.held([who], RULES)
    assert held.counts == {"model_extraction": 2}


async def test_the_very_same_text_again_is_a_retry(penalties: RedisPenalties, clock: VirtualClock) -> None:
    who = somebody()
    for _ in range(40):
        near, reported = await penalties.query(who, bytes(range(32)), BURST, report(), RULES)
        assert (near, reported) == (0, False)


async def test_a_slow_series_is_no_burst(penalties: RedisPenalties, clock: VirtualClock) -> None:
    who = somebody()
    for found in sketches(30, 3):
        await clock.set(clock.now_us + 120 * SECOND)
        assert not (await penalties.query(who, found, BURST, report(), RULES))[1]


async def test_what_is_kept_of_questions_and_events_does_not_grow(
    penalties: RedisPenalties, clock: VirtualClock, redis: RedisStore
) -> None:
    who = somebody()
    key = f"hk:ratelimit:{{{who.partition}}}:ub:brand:ada"
    sizes = []
    for number in range(60):
        unlike = bytes((place * 7 + number * 13) % 256 for place in range(32))
        await penalties.query(who, unlike, BURST, report(), RULES)
        await penalties.signal([who], report(10), RULES)
        sizes.append(await redis.client.memory_usage(key) or 0)
    assert sizes[-1] <= sizes[20] * 1.05
    assert sizes[-1] < 4096
