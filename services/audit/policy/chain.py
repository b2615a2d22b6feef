"""The chain: each hash is SHA-256 over the one before and the event's bytes, so nothing in it can change alone.

What was signed, and what lies outside of the database, are marks: at that position the chain must have that hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from services.audit.policy.canonical import NotCanonicalError, decode
from services.audit.policy.checkpoint import Checkpoint, NotACheckpointError, Signed, digest, parse
from services.audit.policy.model import GENESIS, Head, Link, columns_of


class Problem(StrEnum):
    """What is wrong with a chain."""

    NONE = ""
    ALTERED = "altered"
    GAP = "gap"
    TRUNCATED = "truncated"
    SIGNATURE = "signature"
    ANCHOR = "anchor"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a verification found; `position` is of the first event that does not hold."""

    problem: Problem = Problem.NONE
    position: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """At this position the chain has this hash; if not, that is the problem."""

    sequence: int
    hash: bytes
    problem: Problem = Problem.SIGNATURE


INTACT = Finding()
Signature = Callable[[Signed], bool]
"""Whether a statement was signed with a key that is trusted."""


def link_hash(prev: bytes, canonical: bytes) -> bytes:
    """The hash of an event in its place."""
    return hashlib.sha256(prev + canonical).digest()


class Statements:
    """Signed checkpoints of one chain in order: each must be signed, and name the one before."""

    def __init__(self, organisation: str, genuine: Signature, problem: Problem = Problem.SIGNATURE) -> None:
        self._organisation, self._genuine, self._problem = organisation, genuine, problem
        self._before: bytes | None = None
        self.finding = INTACT

    def read(self, statements: Iterable[Signed], at: Iterable[int] = ()) -> list[Mark]:
        """The marks that they set; what does not hold is the finding. `at` are the places they were kept under."""
        marks = []
        places = iter(at)
        for signed in statements:
            found = self._checked(signed)
            place = next(places, None)
            if found is None or (place is not None and place != found.sequence):
                position = place if place is not None else found.sequence if found else 0
                self.finding = self.finding if self.finding.problem else Finding(self._problem, position)
                continue
            if self._before is not None and found.previous != self._before:
                self.finding = self.finding if self.finding.problem else Finding(self._problem, found.sequence)
            self._before = digest(signed.statement)
            marks.append(Mark(found.sequence, found.hash, self._problem))
        return marks

    def _checked(self, signed: Signed) -> Checkpoint | None:
        try:
            found = parse(signed.statement)
        except NotACheckpointError:
            return None
        return found if found.organisation == self._organisation and self._genuine(signed) else None


class Verification:
    """Walks a chain, page by page, from its beginning or from where an earlier walk stopped; stops at the first thing
    that does not hold."""

    def __init__(self, organisation: str, head: Head, start: Head | None = None) -> None:
        start = start or Head()
        self._organisation = organisation
        self._head = head
        self._began = start.sequence
        self._position = start.sequence
        self._marks: dict[int, list[Mark]] = {}
        self.tip = start.hash
        self.finding = INTACT

    @property
    def verified(self) -> int:
        """Position of the last event that holds."""
        return self._position

    def expect(self, marks: Iterable[Mark]) -> None:
        """What must hold further on; what lies before the start was for an earlier walk."""
        for mark in marks:
            if mark.sequence > self._position:
                self._marks.setdefault(mark.sequence, []).append(mark)
            elif mark.sequence == self._position and mark.hash != self.tip and self.finding is INTACT:
                self.finding = Finding(mark.problem, mark.sequence)

    def read(self, links: Iterable[Link]) -> Finding:
        """Takes the next events in order."""
        for link in links:
            if self.finding is INTACT:
                self.finding = self._check(link)
        return self.finding

    def end(self, head: Head, last: int) -> Finding:
        """All was read; `head` and `last` (the greatest position that exists) are of one moment after the reading."""
        if self.finding is not INTACT:
            return self.finding
        if self.verified < self._head.sequence or last < head.sequence:
            ended = self.verified if self.verified < self._head.sequence else last
            self.finding = Finding(Problem.TRUNCATED, ended + 1)
        elif last > head.sequence or head.sequence < self._head.sequence:
            # An event beyond the end was not appended, and no chain grows shorter.
            self.finding = Finding(Problem.ALTERED, head.sequence + 1)
        else:
            self._still_expected(last)
        return self.finding

    def _still_expected(self, last: int) -> None:
        """What was signed or anchored is past the end: the tail is gone, also when the head says otherwise."""
        if any(sequence > last for sequence in self._marks):
            self.finding = Finding(Problem.TRUNCATED, self.verified + 1)

    def _check(self, link: Link) -> Finding:
        position = self._position + 1
        if link.sequence != position:
            return Finding(Problem.GAP, position)
        if link.prev != self.tip or link.hash != link_hash(self.tip, link.canonical) or not self._agrees(link):
            return Finding(Problem.ALTERED, position)
        for mark in self._marks.pop(position, ()):
            if mark.hash != link.hash:
                return Finding(mark.problem, position)
        if position == self._head.sequence and link.hash != self._head.hash:
            return Finding(Problem.ALTERED, position)
        self._position = position
        self.tip = link.hash
        return INTACT

    def _agrees(self, link: Link) -> bool:
        """The columns beside the bytes are what searches see: they must not tell another story."""
        try:
            record = decode(link.canonical)
        except NotCanonicalError:
            return False
        return columns_of(record) == link.columns and record.organisation == self._organisation


__all__ = ["GENESIS", "INTACT", "Finding", "Mark", "Problem", "Signature", "Statements", "Verification", "link_hash"]
