"""Turns of a conversation as a chain: each is bound to its place, to its role and time, and to the turn before it.

Whoever can write to the store but has no key of the conversation can neither alter, insert, swap nor drop a turn
without being found: every mark is a MAC over the one before, and the head is a MAC over the last. Going back to an
older state of the whole conversation is found by whoever kept a later witness.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

_WITNESS = re.compile(r"([1-9][0-9]{0,15})\.([0-9a-f]{32})")
_LABEL = b"hauberk conversation 1"


@dataclass(frozen=True, slots=True)
class Place:
    """Which conversation: the same id is another one for another user or brand."""

    organisation: str
    brand: str
    user: str
    conversation: str

    def encoded(self) -> bytes:
        """Parts with their lengths, so that no two places read the same."""
        return _parts(
            _LABEL, *(part.encode() for part in (self.organisation, self.brand, self.user, self.conversation))
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said; `role` is the contract's number, `at_us` unix microseconds."""

    sequence: int
    role: int
    at_us: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A turn as the store has it: nothing in it is believed before it proves itself."""

    sequence: int
    role: int
    at_us: int
    sealed: bytes = field(repr=False)
    mark: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Head:
    """The last turn's sequence and a proof that it is the last."""

    sequence: int
    proof: bytes = field(repr=False)


class Integrity(Enum):
    """What a reading found; whatever is not INTACT ends the reading before the turn that broke it."""

    INTACT = "intact"
    ALTERED = "altered"
    MISSING = "missing"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Reading:
    """The turns that proved themselves, and where the first one did not (0 = nowhere)."""

    turns: tuple[Turn, ...]
    integrity: Integrity
    broken_at: int = 0


class Chain:
    """MACs of one conversation, under a key of its own."""

    def __init__(self, key: bytes, place: Place) -> None:
        self._key = key
        self._place = place.encoded()

    def start(self) -> bytes:
        """What the first turn is bound to."""
        return self._mac(b"start")

    def context(self, previous: bytes, sequence: int, role: int, at_us: int) -> bytes:
        """What the sealing of a turn is bound to."""
        return _parts(self._place, previous, b"%d %d %d" % (sequence, role, at_us))

    def mark(self, previous: bytes, sequence: int, role: int, at_us: int, sealed: bytes) -> bytes:
        """The mark of a turn."""
        return self._mac(b"turn", self.context(previous, sequence, role, at_us), hashlib.sha256(sealed).digest())

    def head(self, sequence: int, mark: bytes) -> Head:
        """The head, when this turn is the last."""
        return Head(sequence, self._mac(b"head", b"%d" % sequence, mark))

    def witness(self, sequence: int, mark: bytes) -> str:
        """What a client may keep, to find out later that this turn is still in the conversation."""
        return f"{sequence}.{self._mac(b'witness', b'%d' % sequence, mark).hex()[:32]}"

    def request(self, request_id: str, role: int, text: str) -> bytes:
        """What a repeated request is known by."""
        return self._mac(b"request", request_id.encode(), b"%d" % role, text.encode())

    def holds(self, head: Head, mark: bytes) -> bool:
        """Whether a turn with this mark is the last one."""
        return hmac.compare_digest(self.head(head.sequence, mark).proof, head.proof)

    def _mac(self, *parts: bytes) -> bytes:
        return hmac.digest(self._key, _parts(self._place, *parts), "sha256")


def witnessed(text: str) -> int:
    """The turn that a witness speaks of; 0 when it is none."""
    found = _WITNESS.fullmatch(text)
    return int(found[1]) if found else 0


def read(
    chain: Chain, previous: bytes, after: int, rows: Iterable[Row], unseal: Callable[[bytes, bytes], str | None]
) -> tuple[Reading, bytes]:
    """The turns after number `after`, whose mark is `previous`, as far as each follows the one before; and the mark of
    the last of them. `unseal` gives None for what does not open in its place."""
    turns: list[Turn] = []
    for expected, row in enumerate(rows, after + 1):
        if row.sequence != expected:
            return Reading(tuple(turns), Integrity.MISSING, expected), previous
        mark = chain.mark(previous, row.sequence, row.role, row.at_us, row.sealed)
        bound = chain.context(previous, row.sequence, row.role, row.at_us)
        text = unseal(row.sealed, bound) if hmac.compare_digest(mark, row.mark) else None
        if text is None:
            return Reading(tuple(turns), Integrity.ALTERED, expected), previous
        turns.append(Turn(row.sequence, row.role, row.at_us, text))
        previous = mark
    return Reading(tuple(turns), Integrity.INTACT), previous


def _parts(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
