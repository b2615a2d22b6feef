"""How a stream is cut for inspection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.blocks import AT_LEAST, CONTEXT, HARD, KEY, Blocks

TEXT = st.text(alphabet="abc .\n<>_é漢 0123", max_size=4000)


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

    assert block == sentence * 3
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


def test_a_number_in_groups_is_not_cut() -> None:
    filler = "x" * (AT_LEAST + 40) + " "
    blocks = Blocks()
    out = [
        block
        for piece in (filler, "card 4532 ", "0151 ", "1283 ", "0366", " " + "y" * 600)
        for block in blocks.add(piece)
    ]

    assert any("4532 0151 1283 0366" in block for block in [*out, blocks.rest()])


def test_a_private_key_is_one_block() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(["A" * 64] * 25) + "\n-----END PRIVATE KEY-----\n"
    text = "Here it is. " * 20 + key + "And more words follow here. " * 20
    blocks = Blocks()
    out = [block for at in range(0, len(text), 7) for block in blocks.add(text[at : at + 7])] + [blocks.rest()]

    assert "".join(out) == text
    assert any(key.rstrip() in block for block in out)


def test_a_key_that_never_ends_is_not_waited_for_for_ever() -> None:
    blocks = Blocks()
    blocks.add("-----BEGIN PRIVATE KEY-----\n" + "A\n" * 20_000)

    assert len(blocks.rest()) < KEY


@given(TEXT, st.lists(st.integers(1, 300), min_size=1, max_size=60))
def test_blocks_do_not_depend_on_how_the_text_comes(text: str, sizes: list[int]) -> None:
    whole, pieces = Blocks(), Blocks()
    expected = whole.add(text)
    out, at = [], 0
    for size in sizes:
        out += pieces.add(text[at : at + size])
        at += size
    out += pieces.add(text[at:])

    assert (out, pieces.rest()) == (expected, whole.rest())
