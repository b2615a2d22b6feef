"""The one sealing piece: what it seals opens for one purpose, organisation and place, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.keys import VersionedSecret
from services.kit.sealing import Box, Seal, SealBrokenError, derive, kid_of, new_key, parts

NAMES = st.lists(st.text(max_size=8), max_size=4)


class Keys:
    """One name's versions."""

    def __init__(self, *kids: str) -> None:
        self.kept: Sequence[VersionedSecret] = [VersionedSecret(kid, kid.encode() * 32) for kid in kids]

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return self.kept


def seal(*kids: str, label: bytes = b"one") -> Seal:
    return Seal(Keys(*kids), "some-kek", label)


def test_a_record_opens_where_it_belongs_also_after_rotation() -> None:
    record = seal("k1").seal("acme", b"secret", "here")
    rotated = seal("k2", "k1")
    assert rotated.open("acme", record, "here") == b"secret"
    assert kid_of(record) == "k1" and rotated.active == "k2"
    assert rotated.knows(record) and not rotated.is_current(record)
    assert rotated.is_current(rotated.seal("acme", b"secret", "here"))
    assert b"secret" not in record


@pytest.mark.parametrize(
    ("opener", "organisation", "place"),
    [
        (seal("k1"), "other", ("here",)),
        (seal("k1"), "acme", ("there",)),
        (seal("k1"), "acme", ()),
        (seal("k1"), "acme", ("he", "re")),
        (seal("k1"), "acmehere", ()),
        (seal("k1", label=b"two"), "acme", ("here",)),
        (seal("k2"), "acme", ("here",)),
    ],
)
def test_anywhere_else_it_is_refused_alike(opener: Seal, organisation: str, place: tuple[str, ...]) -> None:
    with pytest.raises(SealBrokenError) as refused:
        opener.open(organisation, seal("k1").seal("acme", b"secret", "here"), *place)
    assert not refused.value.args


def test_every_altered_record_is_refused() -> None:
    ours = seal("k1")
    record = ours.seal("acme", b"secret")
    broken = [b"", b"\0", b"\xff" + record, record[:2], record[:-1], record + b"x", b"\x02\xff\xff" + record[3:]]
    broken += [record[:k] + bytes((record[k] ^ 1,)) + record[k + 1 :] for k in range(len(record))]
    for wrong in broken:
        with pytest.raises(SealBrokenError):
            ours.open("acme", wrong)
    assert kid_of(b"") == kid_of(b"\xff") == kid_of(b"\x02\xff\xff") == ""


def test_a_data_key_opens_its_own_only() -> None:
    key = new_key()
    sealed = Box(key).seal(b"text", b"bound")
    assert Box(key).open(sealed, b"bound") == b"text"
    for box, bound in ((Box(new_key()), b"bound"), (Box(key), b"other")):
        with pytest.raises(SealBrokenError):
            box.open(sealed, bound)
    assert Box(key).seal(b"text", b"bound") != sealed


@given(NAMES, NAMES)
def test_no_two_lists_of_parts_read_the_same(one: list[str], other: list[str]) -> None:
    assert (parts(*one) == parts(*other)) == (one == other)


def test_keys_of_two_purposes_differ() -> None:
    assert derive(b"s" * 32, b"a") != derive(b"s" * 32, b"b")
    assert len(derive(b"s" * 32, b"a", 64)) == 64
