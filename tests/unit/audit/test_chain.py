"""The chain against an independent reference: a list of what was appended."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.audit.policy import GENESIS, Head, Link, Record, Verification, columns_of, encode
from services.audit.policy.chain import Finding, Problem

ORG = "acme"


def chain(length: int) -> list[Link]:
    """A true chain, made without the code under test but for the bytes of an event."""
    found: list[Link] = []
    tip = b"\x00" * 32
    for number in range(1, length + 1):
        record = Record(f"t{number}/auth/X/1", "decision", "auth.x", number, "ALLOW", "NONE", ORG, f"u{number}")
        body = encode(record)
        after = hashlib.sha256(tip + body).digest()
        found.append(Link(number, body, tip, after, columns_of(record)))
        tip = after
    return found


def head_of(links: list[Link]) -> Head:
    return Head(links[-1].sequence, links[-1].hash) if links else Head()


def verified(links: list[Link], head: Head, page: int = 3) -> Finding:
    """What a walk over the rows as they are finds (the store gives them by position)."""
    rows = sorted(links, key=lambda link: link.sequence)
    within = [link for link in rows if link.sequence <= head.sequence]
    walk = Verification(ORG, head)
    for start in range(0, len(within), page):
        walk.read(within[start : start + page])
    return walk.end(head, max((link.sequence for link in rows), default=0))


@given(st.integers(0, 30), st.integers(1, 7))
def test_a_true_chain_is_intact(length: int, page: int) -> None:
    links = chain(length)
    assert verified(links, head_of(links), page) == Finding()


@given(st.integers(1, 20), st.data())
def test_any_flipped_byte_is_found_where_it_is(length: int, data: st.DataObject) -> None:
    links = chain(length)
    head = head_of(links)
    at = data.draw(st.integers(0, length - 1))
    name = data.draw(st.sampled_from(["canonical", "prev", "hash"]))
    value = bytearray(getattr(links[at], name))
    position = data.draw(st.integers(0, len(value) - 1))
    value[position] ^= data.draw(st.integers(1, 255))
    links[at] = replace(links[at], **{name: bytes(value)})  # type: ignore[arg-type]
    assert verified(links, head) == Finding(Problem.ALTERED, at + 1)


@given(st.integers(2, 20), st.data())
def test_deleted_swapped_and_cut_off(length: int, data: st.DataObject) -> None:
    links = chain(length)
    head = head_of(links)
    at = data.draw(st.integers(0, length - 2))
    assert verified(links[:at] + links[at + 1 :], head) == Finding(Problem.GAP, at + 1)
    assert verified(links[: at + 1], head) == Finding(Problem.TRUNCATED, at + 2)
    other = data.draw(st.integers(at + 1, length - 1))
    swapped = list(links)
    swapped[at] = replace(links[other], sequence=at + 1)
    swapped[other] = replace(links[at], sequence=other + 1)
    assert verified(swapped, head) == Finding(Problem.ALTERED, at + 1)
    closed_up = links[:at] + [replace(link, sequence=link.sequence - 1) for link in links[at + 1 :]]
    assert verified(closed_up, head) == Finding(Problem.ALTERED, at + 1)


def test_columns_beside_the_bytes_must_say_the_same() -> None:
    links = chain(3)
    head = head_of(links)
    for name, value in (("code", "auth.y"), ("at_us", 7), ("kind", "debug"), ("outcome", "DENY"), ("actor", "eve")):
        changed = [*links]
        changed[1] = replace(links[1], columns=replace(links[1].columns, **{name: value}))  # type: ignore[arg-type]
        assert verified(changed, head) == Finding(Problem.ALTERED, 2)


def test_a_chain_of_another_organisation_and_a_wrong_end() -> None:
    links = chain(3)
    walk = Verification("globex", head_of(links))
    assert walk.read(links) == Finding(Problem.ALTERED, 1)
    assert verified(links, Head(3, GENESIS)) == Finding(Problem.ALTERED, 3)
    assert verified(links, Head(2, links[1].hash)) == Finding(Problem.ALTERED, 3)
    assert verified(links, Head()) == Finding(Problem.ALTERED, 1)
    assert verified([], head_of(links)) == Finding(Problem.TRUNCATED, 1)
