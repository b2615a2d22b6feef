"""How a stream is cut for inspection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.blocks import AT_LEAST, CONTEXT, HARD, Blocks

TEXT = st.text(alphabet="abc .\n<>_é漢", max_size=4000)


@given(TEXT, st.lists(st.integers(1, 300), min_size=1, max_size=50))
def test_nothing_is_lost_or_changed_by_cutting(text: str, sizes: list[int]) -> None:
    blocks, out, at = Blocks(), [], 0
    for size in sizes:
        out += blocks.add(text[at : at + size])
        at += size
    out += blocks.add(text[at:])

    assert "".join(out) + blocks.rest() == text


@given(TEXT)
def test_what_waits_is_bounded(text: str) -> None:
    blocks = Blocks()
    blocks.add(text)

    assert len(blocks.rest()) < HARD


def test_a_block_ends_at_a_sentence() -> None:
    sentence = "This is a sentence of some length, and it goes on for a while. "
    blocks = Blocks()

    (block,) = blocks.add(sentence * 4 + "And this one is not finished")

    assert block == sentence * 4
    assert len(block) >= AT_LEAST


def test_a_short_answer_is_one_block() -> None:
    blocks = Blocks()

    assert blocks.add("Yes. No. Perhaps.") == []
    assert blocks.rest() == "Yes. No. Perhaps."


def test_text_without_any_space_is_cut_all_the_same() -> None:
    assert [len(block) for block in Blocks().add("x" * (2 * HARD + 5))] == [HARD, HARD]


def test_the_end_of_what_was_released_is_remembered() -> None:
    blocks = Blocks()
    blocks.released("a" * 300)
    blocks.released("b" * 10)

    assert blocks.preceding == "a" * (CONTEXT - 10) + "b" * 10
