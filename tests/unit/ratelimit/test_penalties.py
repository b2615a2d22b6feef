"""The arithmetic of penalties: scores only fall by themselves, are capped, and levels stand for their time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ratelimit.policy.model import Level, Penalties, Step
from services.ratelimit.policy.penalties import MOST, Culprit, Held, KindRule, decayed, struck

HOUR = 3_600_000
RULES = Penalties(
    half_life_ms=HOUR,
    strike=2_000,
    enforced=True,
    longest_ms=24 * HOUR,
    forgiven_ms=24 * HOUR,
    slow_weight=2,
    limit_weight=4,
    steps=(Step(100_000, 300_000), Step(300_000, 300_000), Step(600_000, 600_000), Step(900_000, 900_000)),
)
REPORTS = st.lists(st.tuples(st.integers(0, 5 * HOUR), st.integers(1, MOST)), max_size=30)


def after(reports: list[tuple[int, int]]) -> tuple[Held, int]:
    held, now = Held(), 1_000_000
    for pause, weight in reports:
        now += pause
        held = struck(held, RULES, weight, now)
    return held, now


@given(REPORTS, st.integers(0, 50 * HOUR), st.integers(0, 50 * HOUR))
def test_a_score_never_rises_by_itself(reports: list[tuple[int, int]], first: int, second: int) -> None:
    held, now = after(reports)
    one = decayed(held, RULES, now + first)
    two = decayed(held, RULES, now + first + second)
    assert 0 <= two.score <= one.score <= held.score <= MOST
    assert two.level <= one.level <= held.level
    assert two.strikes <= one.strikes <= held.strikes


@given(REPORTS)
def test_it_halves_with_every_half_life_and_is_forgotten_in_the_end(reports: list[tuple[int, int]]) -> None:
    held, now = after(reports)
    half = decayed(held, RULES, now + HOUR)
    assert abs(2 * half.score - held.score) <= 1
    gone = decayed(held, RULES, now + 365 * 24 * HOUR)
    assert gone.nothing


@given(REPORTS)
def test_no_suspension_is_longer_than_the_longest(reports: list[tuple[int, int]]) -> None:
    held, now = after(reports)
    assert held.until_ms - now <= RULES.longest_ms


@given(REPORTS, st.integers(1, MOST), st.integers(0, MOST))
def test_a_heavier_report_is_never_milder(reports: list[tuple[int, int]], weight: int, more: int) -> None:
    held, now = after(reports)
    light, heavy = struck(held, RULES, weight, now), struck(held, RULES, min(MOST, weight + more), now)
    assert heavy.score >= light.score
    assert heavy.level >= light.level


@given(REPORTS, st.integers(0, 10 * HOUR))
def test_a_clock_that_stepped_back_forgives_nothing(reports: list[tuple[int, int]], back: int) -> None:
    held, now = after(reports)
    assert decayed(held, RULES, now - back).score == held.score
    assert decayed(held, RULES, now - back).level == held.level


def test_each_suspension_is_twice_as_long_up_to_the_longest() -> None:
    held, now, lengths = Held(), 0, []
    for _ in range(10):
        held = struck(held, RULES, MOST, now)
        assert held.level is Level.SUSPEND
        lengths.append(held.until_ms - now)
        now = held.until_ms
    quarter = 900_000
    assert lengths[:7] == [quarter * 2**n for n in range(7)]
    assert lengths[7:] == [24 * HOUR] * 3


def test_a_level_that_stands_is_not_renewed() -> None:
    first = struck(Held(), RULES, 150_000, 0)
    second = struck(first, RULES, 1_000, 100_000)
    assert (first.level, second.level) == (Level.WARN, Level.WARN)
    assert second.until_ms == first.until_ms


def test_strikes_are_forgotten_one_by_one() -> None:
    held = replace(struck(Held(), RULES, MOST, 0), strikes=3)
    until = held.until_ms
    assert decayed(held, RULES, until + 24 * HOUR - 1).strikes == 3
    assert decayed(held, RULES, until + 24 * HOUR).strikes == 2
    assert decayed(held, RULES, until + 240 * HOUR).strikes == 0


@settings(max_examples=50)
@given(REPORTS, st.integers(1, 5 * HOUR))
def test_looking_changes_nothing(reports: list[tuple[int, int]], later: int) -> None:
    """Decay in one step and a decay that was only looked at in between end in the same score, but for rounding."""
    held, now = after(reports)
    again = decayed(held, RULES, now + later)
    assert decayed(held, RULES, now + later) == again


@pytest.mark.parametrize("subjects", [["organisation"], ["brand"], [], ["user_brand"] * 5])
def test_what_many_share_is_never_penalised(subjects: list[str]) -> None:
    with pytest.raises(ValueError, match="subjects"):
        KindRule.model_validate({"weight": 10, "subjects": subjects})


@pytest.mark.parametrize("weight", [0, -1, 1001, 1.5])
def test_a_weight_is_a_part_of_the_highest_score(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        KindRule.model_validate({"weight": weight, "subjects": ["address"]})


def test_a_reporter_reaches_only_whom_it_can_speak_about() -> None:
    rule = KindRule(weight=10, subjects=[Culprit.ADDRESS, Culprit.USER_BRAND])
    assert rule.against(frozenset({Culprit.ADDRESS, Culprit.KEY_PREFIX})) == (Culprit.ADDRESS,)
    assert rule.against(frozenset({Culprit.USER_BRAND})) == (Culprit.USER_BRAND,)
