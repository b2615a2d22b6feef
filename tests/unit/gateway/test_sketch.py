"""Sketches: equal for equal words, near for paraphrases, far for other questions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.signals import alike
from gateway.sketch import SLOTS, sketch

PARAPHRASES = (
    "What are the side effects of metformin in older patients?",
    "Tell me the side effects of metformin in older patients.",
    "Could you list side effects that metformin has in older patients?",
    "In older patients, which side effects of metformin are known?",
)
OTHERS = (
    "How do I configure a firewall for a small office network?",
    "Write a short story about a lighthouse keeper and her cat.",
    "Why did the price of copper rise during the summer?",
    "Translate the menu of our restaurant into Portuguese please.",
)


@given(st.text(max_size=3000))
def test_it_is_always_of_one_size_or_empty(text: str) -> None:
    found = sketch(text)
    assert len(found) in (0, SLOTS)
    assert sketch(text) == found


@pytest.mark.parametrize("text", ["", "yes", "Thanks!", "ok, do that", "????", " " * 500])
def test_too_little_to_go_by(text: str) -> None:
    assert sketch(text) == b""


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(PARAPHRASES, 2)])
def test_paraphrases_are_near(one: str, other: str) -> None:
    assert alike(sketch(one), sketch(other)) >= 14


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations((*OTHERS, PARAPHRASES[0]), 2)])
def test_other_questions_are_far(one: str, other: str) -> None:
    assert alike(sketch(one), sketch(other)) < 8


def test_case_accents_numbers_and_common_words_do_not_matter() -> None:
    one = sketch("Please show the résumé of employee 4711 from the Zürich office")
    other = sketch("SHOW ME RESUME OF EMPLOYEE 12 FROM OUR ZURICH OFFICE")
    assert one == other
