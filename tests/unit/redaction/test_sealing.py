"""A conversation's key opens only its own records, and is opened only for its own conversation."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.kit.keys import VersionedSecret
from services.redaction.adapters.sealing import ConversationKey, Sealer, digest_of
from services.redaction.policy.placeholders import Slot
from services.redaction.ports import Kept, MappingTampered, Scope

HERE = Scope("acme", "ada", "c1")
ELSEWHERE = [
    Scope("other", "ada", "c1"), Scope("acme", "ada", "c2"), Scope("acmec", "ada", "1"), Scope("acme", "bob", "c1"),
]  # fmt: skip
SLOT = Slot("US_SSN", 1)
KEPT = Kept("219-09-9999", "backend/shop")


class Keys:
    """One name's versions."""

    def __init__(self, *kids: str) -> None:
        self.kept: Sequence[VersionedSecret] = [VersionedSecret(kid, kid.encode() * 32) for kid in kids]

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return self.kept


def sealer(*kids: str) -> Sealer:
    return Sealer(Keys(*kids))


def opened(ours: Sealer, wrapped: bytes, scope: Scope = HERE) -> ConversationKey:
    key = ours.open(scope, wrapped)
    assert key is not None
    return key


def test_it_opens_where_it_belongs_also_after_rotation() -> None:
    key = sealer("a").make(HERE)
    record = key.seal(SLOT, KEPT)
    again = opened(sealer("b", "a"), key.wrapped)
    assert again.open(SLOT, record) == KEPT
    assert again.index("gateway", "US_SSN", "1") == key.index("gateway", "US_SSN", "1")
    assert b"219" not in record + key.wrapped


@pytest.mark.parametrize("scope", ELSEWHERE)
def test_a_key_in_another_conversation_is_refused(scope: Scope) -> None:
    ours = sealer("a")
    with pytest.raises(MappingTampered):
        ours.open(scope, ours.make(HERE).wrapped)


@pytest.mark.parametrize("slot", [Slot("US_SSN", 2), Slot("CREDIT_CARD", 1)])
def test_a_record_in_another_place_is_refused(slot: Slot) -> None:
    key = sealer("a").make(HERE)
    with pytest.raises(MappingTampered):
        key.open(slot, key.seal(SLOT, KEPT))


@pytest.mark.parametrize("scope", [HERE, *ELSEWHERE])
def test_a_record_under_another_key_is_refused(scope: Scope) -> None:
    """Also under a second key of the very same conversation: what the first one sealed is gone with it."""
    ours = sealer("a")
    with pytest.raises(MappingTampered):
        ours.make(scope).open(SLOT, ours.make(HERE).seal(SLOT, KEPT))


def test_altered_records_and_keys_are_refused() -> None:
    ours = sealer("a")
    key = ours.make(HERE)
    record, wrapped = key.seal(SLOT, KEPT), key.wrapped
    for wrong in (b"", b"\xff", record[:-1], record[:5], record + b"x", *_flipped(record, range(len(record)))):
        with pytest.raises(MappingTampered):
            key.open(SLOT, wrong)
    broken = [b"", b"\xff", wrapped[:-1], wrapped[:5], wrapped + b"x", b"\x01?" + wrapped[2:]]
    for wrong in (*broken, *_flipped(wrapped, [0, *range(2, len(wrapped))])):
        with pytest.raises(MappingTampered):
            ours.open(HERE, wrong)


def _flipped(data: bytes, places: Sequence[int]) -> list[bytes]:
    return [data[:k] + bytes((data[k] ^ 1,)) + data[k + 1 :] for k in places]


def test_a_key_under_a_withdrawn_version_is_as_good_as_destroyed() -> None:
    wrapped = sealer("a").make(HERE).wrapped
    assert sealer("b").open(HERE, wrapped) is None
    assert sealer("a").open(HERE, b"\x01b" + wrapped[2:]) is None


def test_a_key_in_use_moves_to_the_version_of_today() -> None:
    keys = Keys("a")
    ours = Sealer(keys)
    key = ours.make(HERE)
    record = key.seal(SLOT, KEPT)
    assert ours.renewed(HERE, key.wrapped) == key.wrapped
    keys.kept = Keys("b", "a").kept
    moved = ours.renewed(HERE, key.wrapped)
    keys.kept = Keys("b").kept
    assert ours.open(HERE, key.wrapped) is None
    assert opened(ours, moved).open(SLOT, record) == KEPT


def test_indexes_tell_equal_values_apart_by_conversation_and_workload() -> None:
    ours = sealer("a")
    key = ours.make(HERE)
    indexes = {
        key.index("gateway", "US_SSN", "1"),
        ours.make(HERE).index("gateway", "US_SSN", "1"),
        key.index("backend/x", "US_SSN", "1"),
        key.index("gateway", "US_SSN", "2"),
        key.index("gateway", "US_ITIN", "1"),
    }
    assert len(indexes) == 5
    assert digest_of(Scope("a", "u", "bc")) != digest_of(Scope("ab", "u", "c"))


def test_a_tag_is_of_its_place_conversation_and_a_version_that_is_there() -> None:
    ours = sealer("a")
    tag = ours.tag(HERE, SLOT)
    assert ours.is_tagged(HERE, Slot("US_SSN", 1, tag))
    assert sealer("b", "a").is_tagged(HERE, Slot("US_SSN", 1, tag))
    assert not ours.is_tagged(HERE, Slot("US_SSN", 2, tag))
    assert not ours.is_tagged(HERE, Slot("US_SSN", 1, "A" * 8))
    assert not sealer("b").is_tagged(HERE, Slot("US_SSN", 1, tag))
    assert not any(ours.is_tagged(scope, Slot("US_SSN", 1, tag)) for scope in ELSEWHERE)
