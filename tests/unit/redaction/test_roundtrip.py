"""Restoring what was redacted gives the input back, except for what stands in links."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.chunkings import streamed
from services.redaction.policy.filling import Filler
from services.redaction.policy.placeholders import slots_in
from tests.unit.redaction.book import outlet, redact, restore, search, shipped

VALUES = [
    "123-45-6789", "4532-1234-5678-9010", "4532015112830366", "jane.doe@example.com", "a@b.local", "+1 415 555 2671",
    "03/15/2001", "2024-01-15T10:23:45Z", "078-05-1120@example.com", "ali\u00adce@example.com", "<US_SSN>",
    "<US_SSN_2>", "<LITERAL>", "<CREDIT_CARD", "_2>", "＜US_SSN＞", "<PERSON_7>", "<", ">", "<<US_SSN>>", "<DIV>",
    "https://x.example/?q=", "www.", "//", "](", ")", "[a]: ", "<img src=", '"', "<a href='", "\\", "@", ".com",
    "mailto:", "😀", "שלום", "\u202e", "\u200b", "SSN ", "card ", "call ", " ", "\n", "5551234567", "é", "１２３", "-",
    ".",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(VALUES), st.text(max_size=8)), max_size=14).map("".join)


# Values among blanks, punctuation and words, as people write them.
WORDS = [
    *VALUES[:7],
    "<US_SSN>",
    "<PERSON_7>",
    "שלום",
    "😀",
    "é",
    "SSN",
    "a < b",
    "x = y",
    "(see",
    "1)",
    "and/or",
    "[3]",
]
BLANKS = [" ", ", ", ". ", ".\n", "\n\n", "; ", ") ", "! "]
ordinary = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(BLANKS)).map("".join)).map("".join)


@settings(max_examples=300, deadline=None)
@given(ordinary)
def test_restore_of_redact_is_the_input(text: str) -> None:
    redacted, values = redact(text)
    filled = restore(redacted, values)
    assert filled.text == text
    assert (filled.unknown, filled.withheld) == (0, 0)


@settings(max_examples=400, deadline=None)
@given(texts)
def test_whatever_the_input_only_what_is_kept_back_differs(text: str) -> None:
    redacted, values = redact(text)
    filler = Filler(outlet())
    parts = filler.take(redacted, last=True)
    delivered, given_back = "", ""
    for part in parts:
        piece = filler.put([part], values)
        delivered += piece
        given_back += part.before + (values[part.slot] if part.slot else "")
    assert given_back == text
    assert filler.unknown == 0
    # A bracket or a bar of a value is escaped inside of a link's text or a table's row, and nowhere else.
    if not filler.withheld and not any(mark in value for mark in "[]|" for value in values.values()):
        assert delivered == text


@settings(max_examples=300, deadline=None)
@given(texts)
def test_no_accepted_character_survives_and_no_lookalike_does(text: str) -> None:
    redacted, values = redact(text)
    assert {slot for slot, _, _ in slots_in(redacted, shipped().knows)} == set(values)
    findings = search(text).findings
    for before, after in pairwise(findings):
        assert before.end <= after.start


@settings(max_examples=300, deadline=None)
@given(texts, st.randoms(use_true_random=False), st.integers(1, 24))
def test_any_chunking_restores_the_same(text: str, rnd: random.Random, most: int) -> None:
    redacted, values = redact(text)
    assert streamed(redacted, values, rnd, most, outlet()) == restore(redacted, values).text


def test_a_restored_value_is_not_looked_at_again() -> None:
    redacted, values = redact("<US_SSN> 123-45-6789")
    assert redacted == "<LITERAL> <US_SSN>"
    assert restore(redacted, values).text == "<US_SSN> 123-45-6789"


def test_the_same_value_has_one_number_and_others_have_others() -> None:
    text, _ = redact("a@b.com c@d.com a@b.com")
    assert text == "<EMAIL_ADDRESS> <EMAIL_ADDRESS_2> <EMAIL_ADDRESS>"
