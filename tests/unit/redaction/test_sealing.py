"""A sealed record opens only in its own place, under its own key."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.kit.keys import VersionedSecret
from services.redaction.adapters.sealing import Sealer, digest_of
from services.redaction.policy.placeholders import Slot
from services.redaction.ports import Kept, MappingTampered, Scope

HERE = Scope("acme", "ada", "c1")
SLOT = Slot("US_SSN", 1)
KEPT = Kept("219-09-9999", "backend/shop")


class Keys:
    """One name's versions."""

    def __init__(self, kept: Sequence[VersionedSecret]) -> None:
        self.kept = kept

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return self.kept


def sealer(*kids: str) -> Sealer:
    return Sealer(Keys([VersionedSecret(kid, kid.encode() * 32) for kid in kids]))


def test_it_opens_where_it_belongs_also_after_rotation() -> None:
    record = sealer("a").seal(HERE, SLOT, KEPT)
    assert sealer("b", "a").open(HERE, SLOT, record) == KEPT
    assert b"219" not in record


@pytest.mark.parametrize(
    ("scope", "slot"),
    [
        (Scope("other", "ada", "c1"), SLOT),
        (Scope("acme", "ada", "c2"), SLOT),
        (HERE, Slot("US_SSN", 2)),
        (HERE, Slot("CREDIT_CARD", 1)),
        (Scope("acmec", "ada", "1"), SLOT),
        (Scope("acme", "bob", "c1"), SLOT),
    ],
)
def test_a_record_in_another_place_is_refused(scope: Scope, slot: Slot) -> None:
    ours = sealer("a")
    record = ours.seal(HERE, SLOT, KEPT)
    with pytest.raises(MappingTampered):
        ours.open(scope, slot, record)


def test_altered_records_are_refused() -> None:
    ours = sealer("a")
    record = ours.seal(HERE, SLOT, KEPT)
    broken = [b"", b"\xff", record[:-1], record[:5], record + b"x", b"\x01?" + record[2:]]
    broken += [record[:k] + bytes((record[k] ^ 1,)) + record[k + 1 :] for k in range(len(record)) if k != 1]
    for wrong in broken:
        with pytest.raises(MappingTampered):
            ours.open(HERE, SLOT, wrong)


def test_a_value_under_a_withdrawn_key_is_gone() -> None:
    record = sealer("a").seal(HERE, SLOT, KEPT)
    assert sealer("b").open(HERE, SLOT, record) is None
    assert sealer("a").open(HERE, SLOT, b"\x01b" + record[2:]) is None


def test_a_rotation_is_seen_and_equal_values_keep_their_index() -> None:
    keys = Keys([VersionedSecret("a", b"a" * 32)])
    ours = Sealer(keys)
    record, index = ours.seal(HERE, SLOT, KEPT), ours.index(HERE, "gateway", "US_SSN", "1")
    keys.kept = [VersionedSecret("b", b"b" * 32), *keys.kept]
    assert ours.seal(HERE, SLOT, KEPT)[1:2] == b"b"
    assert ours.open(HERE, SLOT, record) == KEPT
    assert ours.index(HERE, "gateway", "US_SSN", "1") == index
    keys.kept = keys.kept[:1]
    assert ours.open(HERE, SLOT, record) is None


def test_indexes_tell_equal_values_apart_by_conversation_and_workload() -> None:
    ours = sealer("a")
    indexes = {
        ours.index(HERE, "gateway", "US_SSN", "1"),
        ours.index(Scope("other", "ada", "c1"), "gateway", "US_SSN", "1"),
        ours.index(Scope("acme", "ada", "c2"), "gateway", "US_SSN", "1"),
        ours.index(HERE, "backend/x", "US_SSN", "1"),
        ours.index(HERE, "gateway", "US_SSN", "2"),
    }
    assert len(indexes) == 5
    assert ours.index(HERE, "gateway", "US_SSN", "1") in indexes
    assert digest_of(Scope("a", "u", "bc")) != digest_of(Scope("ab", "u", "c"))
