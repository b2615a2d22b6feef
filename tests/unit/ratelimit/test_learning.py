"""How long answers usually are."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ratelimit.policy.learning import Estimator

ORG, MODEL = "acme", "gpt-4o"


def taught(lengths: list[int]) -> Estimator:
    estimator = Estimator()
    for length in lengths:
        estimator.note(ORG, MODEL, length)
    return estimator


@pytest.mark.parametrize("seen", [0, 1, 31])
def test_until_enough_is_known_what_is_asked_for_is_reserved(seen: int) -> None:
    assert taught([50] * seen).estimate(ORG, MODEL, 4096) == 4096


@given(st.lists(st.integers(1, 2_000_000), max_size=200), st.integers(0, 100_000))
def test_it_never_reserves_more_than_is_asked_for(lengths: list[int], most: int) -> None:
    assert 0 <= taught(lengths).estimate(ORG, MODEL, most) <= most


def test_about_19_of_20_answers_stay_within_it() -> None:
    random.seed(7)
    lengths = [max(1, round(random.lognormvariate(5, 0.8))) for _ in range(400)]
    bound = taught(lengths).estimate(ORG, MODEL, 64_000)
    within = sum(length <= bound for length in lengths) / len(lengths)
    exact = sorted(lengths)[int(len(lengths) * 0.95)]
    assert 0.95 <= within <= 0.99
    assert exact * 0.9 <= bound <= exact * 1.25


def test_another_organisation_or_model_teaches_nothing() -> None:
    estimator = taught([10] * 100)
    assert estimator.estimate("other", MODEL, 900) == 900
    assert estimator.estimate(ORG, "other", 900) == 900


def test_it_follows_answers_that_grow() -> None:
    estimator = taught([20] * 600)
    assert estimator.estimate(ORG, MODEL, 9000) < 40
    for _ in range(200):
        estimator.note(ORG, MODEL, 3000)
    assert estimator.estimate(ORG, MODEL, 9000) >= 3000


def test_what_is_kept_is_bounded() -> None:
    estimator = Estimator(kept=2)
    for name in ("a", "b", "c"):
        for _ in range(64):
            estimator.note(name, MODEL, 30)
    assert [estimator.estimate(name, MODEL, 500) < 500 for name in ("a", "b", "c")] == [False, True, True]


@pytest.mark.parametrize("tokens", [0, -5])
def test_an_answer_without_tokens_teaches_nothing(tokens: int) -> None:
    assert taught([tokens] * 100).estimate(ORG, MODEL, 700) == 700
