"""The chain of a conversation: whatever is done to its rows without its key is found, and nothing altered is read."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.tenancy.adapters.conversation_keys import ConversationKeys
from services.tenancy.policy.conversations import Head, Integrity, Place, Reading, Row, read, witnessed

PLACE = Place("acme", "shop", "ada", "c1")
SECRET = bytes(range(32))
TEXTS = st.lists(st.text(max_size=20), min_size=1, max_size=6)


def keys(place: Place = PLACE, secret: bytes = SECRET) -> ConversationKeys:
    return ConversationKeys(secret, place)


def spoken(texts: list[str], by: ConversationKeys | None = None) -> tuple[list[Row], Head]:
    own = by or keys()
    previous, rows = own.chain.start(), list[Row]()
    for sequence, text in enumerate(texts, 1):
        sealed = own.seal(text, own.chain.context(previous, sequence, 2, sequence * 1000))
        previous = own.chain.mark(previous, sequence, 2, sequence * 1000, sealed)
        rows.append(Row(sequence, 2, sequence * 1000, sealed, previous))
    return rows, own.chain.head(len(rows), previous)


def heard(rows: list[Row], by: ConversationKeys | None = None) -> Reading:
    own = by or keys()
    return read(own.chain, own.chain.start(), 0, rows, own.unseal)[0]


@given(TEXTS)
def test_what_was_said_is_read(texts: list[str]) -> None:
    rows, head = spoken(texts)
    reading = heard(rows)
    assert ([turn.text for turn in reading.turns], reading.integrity) == (texts, Integrity.INTACT)
    assert keys().chain.holds(head, rows[-1].mark)


@given(TEXTS, st.data())
def test_any_change_of_a_row_ends_the_reading_before_it(texts: list[str], data: st.DataObject) -> None:
    rows, _ = spoken(texts)
    at = data.draw(st.integers(0, len(rows) - 1))
    row = rows[at]
    byte = data.draw(st.integers(0, len(row.sealed) - 1))
    flipped = bytes(value ^ (index == byte) for index, value in enumerate(row.sealed))
    rows[at] = data.draw(
        st.sampled_from(
            [
                replace(row, sealed=flipped),
                replace(row, mark=bytes(32)),
                replace(row, role=1),
                replace(row, at_us=row.at_us + 1),
                replace(row, sequence=row.sequence + 1),
            ]
        )
    )
    reading = heard(rows)
    assert reading.integrity is not Integrity.INTACT
    assert reading.broken_at == at + 1
    assert [turn.text for turn in reading.turns] == texts[:at]


@given(TEXTS, st.data())
def test_any_other_order_or_choice_of_the_rows_is_found(texts: list[str], data: st.DataObject) -> None:
    rows, head = spoken(texts)
    chosen = data.draw(st.lists(st.sampled_from(rows), max_size=7).filter(lambda some: some != rows))
    renumbered = [replace(row, sequence=number) for number, row in enumerate(chosen, 1)]
    for given_rows in (chosen, renumbered):
        reading = heard(given_rows)
        same = 0
        while same < len(given_rows) and same < len(rows) and given_rows[same] == rows[same]:
            same += 1
        assert [turn.text for turn in reading.turns] == texts[:same]
        whole = len(given_rows) == same
        assert (reading.integrity is Integrity.INTACT) == whole
        if whole:  # a beginning of the conversation, whole in itself: its end is not the head
            assert not given_rows or not keys().chain.holds(head, given_rows[-1].mark)


@given(TEXTS)
def test_rows_of_another_place_or_key_are_not_read(texts: list[str]) -> None:
    rows, head = spoken(texts)
    others = [replace(PLACE, **{name: "x1"}) for name in ("organisation", "brand", "user", "conversation")]
    for other in (*map(keys, others), keys(secret=bytes(32))):
        assert not heard(rows, other).turns
        assert not other.chain.holds(head, rows[-1].mark)


def test_a_witness_names_its_turn_and_fits_no_other() -> None:
    rows, _ = spoken(["one", "two"])
    chain = keys().chain
    first, second = (chain.witness(row.sequence, row.mark) for row in rows)
    assert (witnessed(first), witnessed(second)) == (1, 2)
    assert first != chain.witness(1, rows[1].mark)
    for text in ("", "0.00", "1.xyz", first + "0", "-" + first, first.upper().replace(".", ",")):
        assert witnessed(text) == 0
