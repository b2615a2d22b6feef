"""Placeholders that a model rewrote: read again, never more than was issued, nothing of a user's text taken for one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.chunkings import SPELLINGS, prove, streamed
from services.redaction.policy.placeholders import Slot, open_start, slots_in
from services.redaction.policy.spelling import LONGEST_SPELLING
from tests.unit.redaction.book import outlet, redact, restore, shipped
from tests.unit.redaction.test_targets import ATTACKS, MAIL, SSN, VALUES

SECOND = {**VALUES, Slot("US_SSN", 2): "321-54-9876", Slot("US_SSN", 1, "ABCDEFGH"): "078-05-1120"}
DAMAGED = [
    "<us_ssn>",
    "<Us_Ssn>",
    "< US_SSN >",
    "<\tUS_SSN\n>",
    "<US _ SSN>",
    "<US SSN>",
    "<us ssn>",
    "<US_\nSSN>",
    "<US_S\n   SN>",
    "&lt;US_SSN&gt;",
    "&LT;us_ssn&GT;",
    "&#60;US_SSN&#62;",
    "&#x3c;US_SSN&#X3E;",
    "<US_SSN&gt;",
    "\\<US\\_SSN\\>",
    "\\<US_SSN\\>",
    "<US\\_SSN>",
    "<**US_SSN**>",
    "<`US_SSN`>",
    "< *us\\_ssn* >",
]


@pytest.mark.parametrize("written", DAMAGED)
def test_case_and_whitespace_damage_is_read(written: str) -> None:
    filled = restore(f"It is **{written}**, `{written}`, {written}.", SECOND)
    assert filled.text == f"It is **{SSN}**, `{SSN}`, {SSN}."
    assert (filled.restored, filled.unknown, filled.withheld) == (3, 0, 0)


@pytest.mark.parametrize(
    "written",
    [
        "<us_ssn_2>",
        "< US_SSN_2 >",
        "<US_SSN _2>",
        "<US_SSN 2>",
        "<US_SSN\n_2>",
        "\\<US\\_SSN\\_2\\>",
        "&lt;US_SSN_2&gt;",
    ],
)
def test_the_number_counts(written: str) -> None:
    assert restore(written, SECOND).text == "321-54-9876"
    assert restore(written, VALUES).text == written


@pytest.mark.parametrize(
    "written",
    [
        "%3CUS_SSN%3E",
        "＜US_SSN＞",
        "<US_SSN",
        "US_SSN>",
        "[US_SSN]",
        "<US-SSN>",
        "<US_SSN_1>",
        "<US_SSN_01>",
        "<US_SSN_7>",
        "<us_ssn/>",
        "</us_ssn>",
        "<us_ssn x>",
        "<US__SSN_>",
        "<_US_SSN>",
        "<USSSN>",
        "<US_SSN2>",
        "< U S _ S S N >",
        "<US_\u00a0SSN>",
        "<UЅ_SSN>",
        "<uſ_ssn>",
        "&ltUS_SSN&gt",
        "<us_ssn_3>",
        f"<{' ' * LONGEST_SPELLING}US_SSN>",
        "<CREDIT>",
        "<\\US_SSN>",
        "<* * * * US_SSN * * * *>",
    ],
)
def test_what_was_not_issued_is_not_read(written: str) -> None:
    filled = restore(written, SECOND)
    assert (filled.text, filled.restored) == (written, 0)


@pytest.mark.parametrize("written", ["<us_ssn_TABCDEFGH>", "< US_SSN_TABCDEFGH >", "\\<US\\_SSN\\_TABCDEFGH\\>"])
def test_a_tag_has_to_be_intact(written: str) -> None:
    assert restore(written, SECOND).text == "078-05-1120"
    for broken in ("ABCDEFG", "ABCDEFGI", "abcdefgh", "ABCD EFGH", "ABCD\nEFGH", "ABCD\\_EFGH"):
        other = written.replace("ABCDEFGH", broken)
        assert restore(other, SECOND).text == other


@pytest.mark.parametrize("tag", ["<title>", "<Title >", "<address>", "&lt;time&gt;", "<title>Page</title>"])
def test_an_element_of_html_is_no_placeholder_in_small_letters(tag: str) -> None:
    values = {Slot("TITLE", 1): "Dr."}
    assert restore(tag, values).text == tag
    assert restore("<TITLE>", values).text == "Dr."
    assert redact(tag)[0] == tag


@pytest.mark.parametrize("written", [*DAMAGED, *SPELLINGS])
def test_a_rewritten_placeholder_leaves_with_no_link(written: str) -> None:
    for attack in ATTACKS.values():
        text = restore(f"You are <EMAIL_ADDRESS>. {attack.replace('<US_SSN>', written)}", VALUES).text
        assert SSN not in text
        assert text.startswith(f"You are {MAIL}. ")


@pytest.mark.parametrize("behind", [".evil.example", "@evil.example", "-a.evil.example", "{}.evil.example", ".{}"])
@pytest.mark.parametrize("written", ["<us_ssn>", "&lt;US_SSN&gt;", "\\<US\\_SSN\\>"])
def test_it_becomes_no_part_of_an_address(written: str, behind: str) -> None:
    text = written + behind.format(written)
    assert not restore(text, VALUES).text.startswith(SSN)
    assert streamed(text, VALUES, random.Random(1), 2, outlet()) == restore(text, VALUES).text


# Pieces of spellings beside real values: whatever a user types comes back as it was, in any combination.
TYPED = [
    *DAMAGED,
    *SPELLINGS,
    "219-09-9999",
    "jane.doe@example.com",
    "\\",
    "<",
    ">",
    "&lt;",
    "&gt;",
    "&",
    "\\<",
    "\\>",
    " ",
    "\n",
    "_",
    "2",
    "_2",
    "us_ssn",
    "SSN ",
    "*",
    "`",
    "😀",
    "e\u0301",
    "\u0338",
    "\u200b",
    "שלום",
    "\u202e",
    "＜",
    "＞",
    "ＵＳ_SSN",
    "\x00",
    "<person>",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(TYPED), max_size=8).map("".join))
def test_what_a_user_types_comes_back_as_it_was(text: str) -> None:
    redacted, values = redact(text)
    read = {slot for slot, _, _ in slots_in(redacted, shipped().knows)}
    assert read == set(values), "nothing is read as a placeholder that was not issued"
    filled = restore(redacted, values)
    assert filled.unknown == 0
    if not filled.withheld:
        assert filled.text == text


def test_only_a_possible_beginning_waits() -> None:
    for text in (
        "a < 3",
        "x <= y",
        "it is <b>bold</b>",
        "a & b",
        "</",
        "<1",
        "<a href",
        "C:\\x",
        "R&D",
        "<us_ssn>",
        "&lt;x&gt;",
    ):
        if text != "<a href":
            assert open_start(text) == len(text), text
    for text, start in (
        ("a <", 2),
        ("a <us", 2),
        ("a \\", 2),
        ("a \\<us\\", 2),
        ("a &l", 2),
        ("a &lt; us", 2),
        ("a <us_ssn &g", 2),
    ):
        assert open_start(text) == start, text
    assert open_start("<" + "a" * LONGEST_SPELLING) == LONGEST_SPELLING + 1


def test_many_chunkings_in_every_spelling() -> None:
    proven = prove(500, 5)
    assert proven.mismatches == 0
    assert proven.restored > 500
    assert proven.most_held < 4 * LONGEST_SPELLING
