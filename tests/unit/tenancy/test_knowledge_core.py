"""Cutting, counting and fitting; the hashing embedder; which way a search takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from services.tenancy.adapters.embedder import HashingEmbedder
from services.tenancy.adapters.nearest import INDEXED, walks
from services.tenancy.policy.knowledge import PIECE, fitting, flaw, pieces, tokens

PLACES = {
    27: 0.316228,
    42: -0.316228,
    57: -0.316228,
    80: -0.316228,
    112: -0.316228,
    142: -0.316228,
    162: 0.316228,
    166: 0.316228,
    200: 0.316228,
    205: -0.316228,
}


@dataclass(frozen=True)
class Part:
    text: str


@given(st.text(alphabet="ab .\n", max_size=6000))
def test_nothing_is_lost_by_cutting(text: str) -> None:
    found = pieces(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(0 < len(piece) <= PIECE for piece in found)


@given(st.lists(st.text(max_size=60), max_size=12), st.integers(min_value=0, max_value=120))
def test_a_context_keeps_its_budget_and_its_order(texts: list[str], budget: int) -> None:
    parts = [Part(text) for text in texts]
    kept, spent, left_out = fitting(parts, budget)
    assert spent == sum(tokens(part.text) for part in kept) <= budget
    shown = [" ".join(part.text.split()) for part in kept]
    assert len(set(shown)) == len(shown)
    assert [part for part in parts if part in kept][: len(kept)] or not kept
    assert len(kept) + left_out == len({" ".join(text.split()) for text in texts}) or left_out


@given(st.text(max_size=200))
def test_the_embedder_gives_unit_vectors_and_the_same_each_time(text: str) -> None:
    one = HashingEmbedder().embed(text)
    assert len(one) == 256
    assert one == HashingEmbedder().embed(text)
    assert math.isclose(sum(value * value for value in one), 1.0, rel_tol=1e-9)
    assert flaw([one]) == ""


def test_the_embedder_is_what_stored_vectors_were_made_with() -> None:
    """Whoever changes it makes every stored vector wrong, and must give it another name."""
    vector = HashingEmbedder().embed("Refunds are paid within five days")
    places = {place: round(value, 6) for place, value in enumerate(vector) if value}
    assert HashingEmbedder.name == "hauberk-words-1"
    assert places == PLACES


def test_texts_that_share_words_are_near() -> None:
    embed = HashingEmbedder().embed

    def cosine(one: str, other: str) -> float:
        return sum(a * b for a, b in zip(embed(one), embed(other), strict=True))

    assert cosine("when are refunds paid", "Refunds are paid in May") > 0.35
    assert abs(cosine("when are refunds paid", "islands take two weeks")) < 0.3


def test_small_organisations_are_read_and_large_ones_walked() -> None:
    assert not walks(10, 100_000, 256, 10)
    assert not walks(1_000, 100_000, 256, 10)
    assert walks(50_000, 100_000, 256, 10)
    assert not walks(50_000, 100_000, 257, 10), "there is no graph of that dimension"
    assert not walks(20_000, 1_000_000_000, 256, 10), "nearly all of the graph is others'"
    assert {256, 1536} <= INDEXED
