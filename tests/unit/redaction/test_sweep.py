"""Known values are found again, in other spellings, and nothing that only resembles them."""

from __future__ import annotations

import time

import pytest

from services.redaction.policy.sweep import Sweep


def found(values: list[tuple[str, str]], text: str) -> list[tuple[str, str]]:
    return [(f.entity, text[f.start : f.end]) for f in Sweep(values).find(text)]


@pytest.mark.parametrize(
    ("entity", "value", "text", "again"),
    [
        ("US_SSN", "219-09-9999", "then 219099999.", "219099999"),
        ("US_SSN", "219099999", "(219) 09 9999", "219) 09 9999"),
        ("PHONE_NUMBER", "(415) 555-2671", "x415.555.2671 415.555.2671", "415.555.2671"),
        ("PERSON", "Zoë Quill", "Quill said so", "Quill"),
        ("PERSON", "Zoë Quill", "so Zoë Quill said", "Zoë Quill"),
        ("SECRET", "hunter2", "is hunter2?", "hunter2"),
        (
            "STREET_ADDRESS",
            "1 Main St, Albany, NY 12207",
            "at 1 Main St, Albany, NY 12207!",
            "1 Main St, Albany, NY 12207",
        ),
    ],
)
def test_found_again(entity: str, value: str, text: str, again: str) -> None:
    assert (entity, again) in found([(entity, value)], text)


@pytest.mark.parametrize(
    ("entity", "value", "text"),
    [
        ("US_SSN", "219099999", "2190999991 and 12190999 99"),
        ("PERSON", "Will Mark", "we will mark it; Willow, Marks"),
        ("AGE", "42", "42 and 42"),
        ("TITLE", "Prof.", "Prof. X"),
        ("LITERAL", "<US_SSN>", "<US_SSN>"),
        ("SECRET", "hunter2", "hunter22 xhunter2"),
        ("URL", "x", "x"),
        ("PERSON", "...", "..."),
    ],
)
def test_left_alone(entity: str, value: str, text: str) -> None:
    assert found([(entity, value)], text) == []


def test_many_values_and_a_long_text_are_quick() -> None:
    values = [("PHONE_NUMBER", f"415555{n:04}") for n in range(5_000)] + [
        ("PERSON", f"Ann{n} Lee") for n in range(5_000)
    ]
    started = time.perf_counter()
    list(Sweep(values).find("415 Ann1 " * 10_000))
    assert time.perf_counter() - started < 5.0
