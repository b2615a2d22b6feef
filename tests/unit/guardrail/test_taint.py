"""Whose words a tool call is made of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.guardrail.policy import taint
from services.guardrail.policy.model import Part, Source

USER = Part(Source.USER, "Send the price list to dora@shop.example, please, and refund 50 euros for order O-77.")
PAGE = Part(
    Source.RETRIEVED,
    "Terms of delivery. Complaints are handled by claims@elsewhere.example within five days, refunds up to 900 euros.",
)


def of(*parts: Part) -> taint.Taint:
    return taint.taint_of(taint.summary(parts))


@pytest.mark.parametrize(
    "value",
    ["claims@elsewhere.example", "CLAIMS@ELSEWHERE.EXAMPLE", "https://elsewhere.example/x", "900", 900,
     ["dora@shop.example", "claims@elsewhere.example"], {"to": "claims@elsewhere.example"},
     "I write to you because complaints are handled by claims within", "Terms of delivery"],
    ids=str,
)  # fmt: skip
def test_what_only_a_page_says_is_stained(value: object) -> None:
    assert of(USER, PAGE).stained(value)
    assert not of(USER, PAGE).vouched(value)


@pytest.mark.parametrize("value", ["dora@shop.example", "50", 50, "050", "O-77", "the price list", None, "", [], {}])
def test_what_the_user_said_is_the_users(value: object) -> None:
    assert of(USER, PAGE).vouched(value)
    assert not of(USER, PAGE).stained(value)


@pytest.mark.parametrize(
    "value", ["eve@made-up.example", "5000", True, "claims-elsewhere", "d0ra@shop.example", "дора"]
)
def test_what_nobody_said_is_nobodys(value: object) -> None:
    assert not of(USER, PAGE).vouched(value)


def test_a_word_of_both_is_the_users() -> None:
    page = Part(Source.RETRIEVED, "Write to dora@shop.example about it")
    assert not of(USER, page).stained("dora@shop.example")


@pytest.mark.parametrize("source", [s for s in Source if s.untrusted])
def test_every_source_but_two_taints(source: Source) -> None:
    assert of(USER, Part(source, "hello")).tainted
    assert not of(USER, Part(source, "  ")).tainted
    assert not of(USER, Part(Source.SYSTEM, "hello")).tainted


def test_without_other_texts_everything_passes_until_a_tool_has_answered() -> None:
    clean = of(USER)
    assert clean.vouched("anybody@anywhere.example") and not clean.stained("anybody@anywhere.example")
    after = clean.after_a_tool()
    assert after.tainted
    assert not after.vouched("anybody@anywhere.example") and after.stained("anybody@anywhere.example")
    assert after.vouched("dora@shop.example") and not after.stained("dora@shop.example")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x02\x00\x00\x00",
        b"\x01\x04\x00\x00",
        b"\x01\x00\xff\xff",
        bytes(5),
        bytes(taint.MOST_BYTES + 4),
    ],
)
def test_what_is_no_summary_vouches_for_nothing(data: bytes) -> None:
    found = taint.taint_of(data)
    assert (found.tainted, found.unknown) == (True, True)
    assert not found.vouched("dora@shop.example") and found.stained("anything at all")


def test_more_than_can_be_kept_vouches_for_nothing_but_the_users_words() -> None:
    long = Part(Source.RETRIEVED, " ".join(f"w{n}" for n in range(3 * taint.MOST)))
    data = taint.summary([USER, long])
    found = taint.taint_of(data)
    assert len(data) <= taint.MOST_BYTES
    assert found.unknown and found.stained("never said") and found.vouched("dora@shop.example")
    many = Part(Source.USER, long.text)
    assert len(taint.summary([many, long])) <= taint.MOST_BYTES


@settings(max_examples=40)
@given(st.text(max_size=200), st.text(max_size=200))
def test_a_summary_is_bounded_and_reads_back(own: str, other: str) -> None:
    data = taint.summary([Part(Source.USER, own), Part(Source.TOOL_OUTPUT, other)])
    found = taint.taint_of(data)
    assert found.tainted == bool(other.strip())
    assert found.vouched(own)
    assert not found.stained(own)
