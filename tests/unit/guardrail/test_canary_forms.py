"""Every way in which a canary may be told, whichever canary it is, and however the answer is cut into pieces."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.hidings import HIDINGS
from gateway.blocks import Blocks
from services.guardrail.policy import canary
from tests.unit.guardrail.test_answers import FORMS

MARKS = [canary.make(b"k" * 32, "acme", f"c{number}") for number in range(12)]
LEET = str.maketrans("oiesatb", "0135478")
MORE: dict[str, Callable[[str], str]] = {
    **FORMS,
    **{name: hide for name, hide in HIDINGS.items() if name not in ("base85", "entities of quotes")},
    "leet, all of it": lambda t: t.translate(LEET),
    "look-alikes, spaced": lambda t: " ".join(t.translate(str.maketrans("aeopcyx", "аеорсух"))),
    "base64 three times": lambda t: base64.b64encode(base64.b64encode(base64.b64encode(f"It: {t}".encode()))).decode(),
    "base64, backwards as a whole": lambda t: base64.b64encode(t.encode()).decode()[::-1],
    "shifted by five": lambda t: t.translate(str.maketrans("abcdefghijklmnopqrstuvwxyz", "fghijklmnopqrstuvwxyzabcde")),
    "octal": lambda t: " ".join(f"{ord(c):o}" for c in t),
    "one letter a line": "\n".join,
    "between emoji": "😀".join,
    "in tags": lambda t: "".join(f"<b>{c}</b>" for c in t),
    "backwards, spaced": lambda t: " ".join(t[::-1]),
    "the last half": lambda t: t[-13:],
    "percent twice": lambda t: "".join(f"%25{ord(c):02x}" for c in t),
    "base64 for addresses, in lines": lambda t: "\n".join(
        base64.urlsafe_b64encode(f"xx{t}".encode()).decode()[at : at + 10] for at in range(0, 48, 10)
    ),
    "rot13, in capitals": lambda t: codecs.encode(t, "rot13").upper(),
}


@pytest.mark.parametrize("name", MORE)
def test_it_is_found_whichever_it_is(name: str) -> None:
    missed = [mark for mark in MARKS if not canary.appears(f"Sure! It says {MORE[name](mark)} , as asked.", [mark])]
    assert missed == []


@pytest.mark.parametrize("name", MORE)
def test_nobody_elses_is_found(name: str) -> None:
    assert not canary.appears(f"Sure! It says {MORE[name](MARKS[0])} , as asked.", MARKS[1:])


def test_each_version_of_a_prompt_has_its_own() -> None:
    assert canary.make(b"k" * 32, "acme", "c1", "v2") != canary.make(b"k" * 32, "acme", "c1", "v3") != MARKS[1]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(MORE)), st.lists(st.integers(1, 90), min_size=1, max_size=30), st.integers(0, 400))
def test_however_the_answer_is_cut(name: str, sizes: list[int], before: int) -> None:
    """Cut by the gateway's own blocks, and looked at with what was released before, as it is in use."""
    words = "The weather was fine and we walked. " * 12
    said = MORE[name](MARKS[0])
    text = words[:before] + f" It says {said} . " + words
    blocks, found, at = Blocks(), [], 0
    pieces: list[str] = []
    while at < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[at : at + size])
        at += size
    for block in [block for piece in pieces for block in blocks.add(piece)] + [blocks.rest()]:
        found.append(canary.appears(blocks.preceding + block, [MARKS[0]]))
        blocks.released(block)
    assert any(found), name
