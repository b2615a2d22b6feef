"""Tokens of issuers whose signature was checked a moment ago."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from services.auth.policy.jwt_claims import Asserted
from services.auth.policy.jwt_shape import IssuerRules
from services.kit.clock import Clock

REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a token was found to assert, under which rules, with the issuer's keys of which generation."""

    asserted: Asserted
    rules: IssuerRules
    generation: int
    until: float


class TokenMemory:
    """Spares the second look at a signature, nothing else: epochs and times are asked of every hit by whoever reads it.

    The digest of a token's bytes is a key to what was accepted, never to what is refused: a token can be spelled anew,
    and then it is merely not remembered.
    """

    def __init__(self, clock: Clock, seconds: float, most: int = REMEMBERED) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._known: OrderedDict[bytes, Remembered] = OrderedDict()

    def get(self, digest: bytes) -> Remembered | None:
        """What is remembered and not too old."""
        entry = self._known.get(digest)
        if entry is None:
            return None
        # A clock that was set back does not give an entry a longer life.
        if not entry.until - self._seconds <= self._clock.now() < entry.until:
            self.drop(digest)
            return None
        self._known.move_to_end(digest)
        return entry

    def put(self, digest: bytes, asserted: Asserted, rules: IssuerRules, generation: int) -> None:
        """Remembers until the token expires, at most `seconds`."""
        until = min(asserted.expires_at, self._clock.now() + self._seconds)
        self._known[digest] = Remembered(asserted, rules, generation, until)
        self._known.move_to_end(digest)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def drop(self, digest: bytes) -> None:
        """Forgets one."""
        self._known.pop(digest, None)

    def clear(self) -> None:
        """Forgets all."""
        self._known.clear()

    def __len__(self) -> int:
        return len(self._known)


def digest_of(token: str) -> bytes:
    """The key of a token; the text itself is not kept."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
