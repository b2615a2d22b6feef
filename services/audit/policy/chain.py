"""The chain: each hash is SHA-256 over the one before and the event's bytes, so nothing in it can change alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from services.audit.policy.canonical import NotCanonicalError, decode
from services.audit.policy.model import GENESIS, Head, Link, columns_of


class Problem(StrEnum):
    """What is wrong with a chain."""

    NONE = ""
    ALTERED = "altered"
    GAP = "gap"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a verification found; `position` is of the first event that does not hold."""

    problem: Problem = Problem.NONE
    position: int = 0


INTACT = Finding()


def link_hash(prev: bytes, canonical: bytes) -> bytes:
    """The hash of an event in its place."""
    return hashlib.sha256(prev + canonical).digest()


class Verification:
    """Walks a chain from its beginning, page by page; stops at the first thing that does not hold."""

    def __init__(self, organisation: str, head: Head) -> None:
        self._organisation = organisation
        self._head = head
        self.verified = 0
        self.tip = GENESIS
        self.finding = INTACT

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
        return self.finding

    def _check(self, link: Link) -> Finding:
        position = self.verified + 1
        if link.sequence != position:
            return Finding(Problem.GAP, position)
        if link.prev != self.tip or link.hash != link_hash(self.tip, link.canonical) or not self._agrees(link):
            return Finding(Problem.ALTERED, position)
        if position == self._head.sequence and link.hash != self._head.hash:
            return Finding(Problem.ALTERED, position)
        self.verified = position
        self.tip = link.hash
        return INTACT

    def _agrees(self, link: Link) -> bool:
        """The columns beside the bytes are what searches see: they must not tell another story."""
        try:
            record = decode(link.canonical)
        except NotCanonicalError:
            return False
        return columns_of(record) == link.columns and record.organisation == self._organisation
