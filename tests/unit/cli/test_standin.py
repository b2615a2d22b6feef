"""The stand-in for a model: deterministic, quotes what it was shown, never half of a placeholder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cli.standin import QUOTED, SHOWN, answer


def test_it_quotes_the_text_and_its_placeholders() -> None:
    said = answer(["My SSN is <US_SSN>, mail <EMAIL_ADDRESS_2>"])
    assert said.startswith('You wrote: "My SSN is <US_SSN>, mail <EMAIL_ADDRESS_2>"')
    assert "I have noted <US_SSN>, <EMAIL_ADDRESS_2>." in said
    assert said == answer(["My SSN is <US_SSN>, mail <EMAIL_ADDRESS_2>"])


def test_each_placeholder_is_noted_once_and_only_a_few() -> None:
    said = answer(["<A> <A> <B> <C> <D>"])
    noted = said.partition("noted ")[2]
    assert noted.count("<") == QUOTED
    assert "<D>" not in noted


def test_nothing_to_note() -> None:
    assert "noted" not in answer(["hello <b>world</b>"])
    assert answer([]).startswith('You wrote: ""')


@given(st.integers(0, SHOWN + 20), st.sampled_from(["x", " ", "word "]))
def test_a_long_text_is_never_cut_within_a_placeholder(before: int, filler: str) -> None:
    text = (filler * SHOWN)[:before] + "<CREDIT_CARD>" + " and more" * 40
    quoted = answer([text]).split('"')[1]
    assert quoted.count("<") == quoted.count("<CREDIT_CARD>")
    assert len(quoted) <= SHOWN + 4
