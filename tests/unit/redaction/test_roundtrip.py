"""Restoring what was redacted gives the input back, whatever the input."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.redaction.policy.placeholders import fill, slots_in, split_complete
from tests.unit.redaction.book import redact, search, shipped

VALUES = [
    "123-45-6789", "4532-1234-5678-9010", "4532015112830366", "jane.doe@example.com", "a@b.local", "+1 415 555 2671",
    "03/15/2001", "2024-01-15T10:23:45Z", "078-05-1120@example.com", "ali\u00adce@example.com", "<US_SSN>",
    "<US_SSN_2>", "<LITERAL>", "<CREDIT_CARD", "_2>", "＜US_SSN＞", "<PERSON_7>", "<", ">", "<<US_SSN>>", "<DIV>",
    "😀", "שלום", "\u202e", "\u200b", "SSN ", "card ", "call ", " ", "\n", "5551234567", "é", "１２３", "-", ".",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(VALUES), st.text(max_size=8)), max_size=14).map("".join)


@settings(max_examples=400, deadline=None)
@given(texts)
def test_restore_of_redact_is_the_input(text: str) -> None:
    redacted, values = redact(text)
    filled = fill(redacted, values, shipped().knows)
    assert filled.text == text
    assert filled.unknown == 0


@settings(max_examples=300, deadline=None)
@given(texts)
def test_no_accepted_character_survives_and_no_lookalike_does(text: str) -> None:
    redacted, values = redact(text)
    assert {slot for slot, _, _ in slots_in(redacted, shipped().knows)} == set(values)
    findings = search(text).findings
    for before, after in pairwise(findings):
        assert before.end <= after.start


@settings(max_examples=200, deadline=None)
@given(texts, st.randoms(use_true_random=False))
def test_any_chunking_restores_the_same(text: str, rnd: random.Random) -> None:
    redacted, values = redact(text)
    pieces, held, at = [], "", 0
    while at < len(redacted):
        size = rnd.randint(1, 9)
        ready, held = split_complete(held + redacted[at : at + size])
        pieces.append(fill(ready, values, shipped().knows).text)
        at += size
    assert "".join([*pieces, held]) == text


def test_a_restored_value_is_not_looked_at_again() -> None:
    redacted, values = redact("<US_SSN> 123-45-6789")
    assert redacted == "<LITERAL> <US_SSN>"
    assert fill(redacted, values, shipped().knows).text == "<US_SSN> 123-45-6789"


def test_the_same_value_has_one_number_and_others_have_others() -> None:
    text, _ = redact("a@b.com c@d.com a@b.com")
    assert text == "<EMAIL_ADDRESS> <EMAIL_ADDRESS_2> <EMAIL_ADDRESS>"
