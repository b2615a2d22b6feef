"""Where the words of a tool call come from: a summary of what the model was shown, and questions to it.

The summary holds digests of words, and of runs of four words of texts that nobody vouches for. It is made when the
texts are inspected and asked when the model calls a tool. What a model rewords, translates or computes is in neither
list: that is why a sensitive argument must be found in the user's own words, not merely outside the untrusted ones.
"""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from services.guardrail.policy.model import Part

MOST = 6_000  # digests of each kind; what is past it is not vouched for
MOST_BYTES = 4 + 4 * 2 * MOST
_VERSION = 1
_TAINTED, _TOO_MUCH = 1, 2
_WORD = re.compile(r"[^\W_]+")
_NAMES = re.compile(r"\d|[^\W_][^\w\s'’]+[^\W_]")  # an address, a link, a number: each word of it says something
_COMMON = 3  # letters of com, org, www
_RUN = 4  # of the words of a text single ones are everybody's


@dataclass(frozen=True, slots=True)
class Taint:
    """`tainted` when there was any untrusted text, `unknown` when not all of it is known."""

    tainted: bool = True
    unknown: bool = True
    trusted: frozenset[int] = field(default=frozenset(), repr=False)
    untrusted: frozenset[int] = field(default=frozenset(), repr=False)

    def stained(self, value: object) -> bool:
        """Whether the value holds something that only untrusted texts hold."""
        if not self.tainted:
            return False
        if self.unknown:
            return not self.vouched(value)
        plain: list[str] = []
        for token in _tokens_of(value):
            words = _words(token)
            if _NAMES.search(token) is None:
                plain += words
            elif any(self._theirs(word) for word in words if len(word) > _COMMON or word.isdigit()):
                return True
        if len(plain) < _RUN:
            return bool(plain) and all(map(self._theirs, plain))
        return any(map(self._theirs, _runs(plain)))

    def _theirs(self, piece: str) -> bool:
        return _digest(piece) in self.untrusted

    def vouched(self, value: object) -> bool:
        """Whether every word of the value was the user's or the product's own."""
        if not self.tainted:
            return True
        return all(_digest(word) in self.trusted for token in _tokens_of(value) for word in _words(token))

    def after_a_tool(self) -> Taint:
        """Once a tool has answered, something was read that is not in the summary."""
        return Taint(True, True, self.trusted, self.untrusted)


NOTHING_KNOWN = Taint()


def summary(parts: Sequence[Part]) -> bytes:
    """Of what the model is shown."""
    trusted: set[int] = set()
    untrusted: set[int] = set()
    tainted = False
    for part in parts:
        words = _words(part.text)
        if not part.source.untrusted:
            _fill(trusted, words)
        elif part.text.strip():
            tainted = True
            _fill(untrusted, words)
            _fill(untrusted, _runs(words))
    # A word that the user said as well is the user's.
    untrusted -= trusted
    too_much = len(untrusted) > MOST
    kept = sorted(trusted)[:MOST]
    flags = _TAINTED * tainted | _TOO_MUCH * too_much
    return (
        bytes([_VERSION, flags])
        + len(kept).to_bytes(2, "big")
        + _packed(kept + ([] if too_much else sorted(untrusted)))
    )


def taint_of(data: bytes) -> Taint:
    """From the summary; what is none vouches for nothing."""
    if len(data) < 4 or data[0] != _VERSION or len(data) % 4 or len(data) > MOST_BYTES:
        return NOTHING_KNOWN
    end = 4 + 4 * int.from_bytes(data[2:4], "big")
    if end > len(data) or data[1] & ~(_TAINTED | _TOO_MUCH):
        return NOTHING_KNOWN
    flags = data[1]
    return Taint(bool(flags & _TAINTED), bool(flags & _TOO_MUCH), _unpacked(data[4:end]), _unpacked(data[end:]))


def _packed(digests: Sequence[int]) -> bytes:
    return struct.pack(f">{len(digests)}I", *digests)


def _unpacked(data: bytes) -> frozenset[int]:
    return frozenset(struct.unpack(f">{len(data) // 4}I", data))


def _fill(found: set[int], pieces: Iterable[str]) -> None:
    """More than may be kept is enough to know that there was too much."""
    for piece in dict.fromkeys(pieces):
        if len(found) > 2 * MOST:
            return
        found.add(_digest(piece))


def _tokens_of(value: object) -> list[str]:
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, dict):
        return [token for name, below in value.items() for token in (*str(name).split(), *_tokens_of(below))]
    if isinstance(value, list):
        return [token for below in value for token in _tokens_of(below)]
    return [] if value is None else str(value).split()


def _words(text: str) -> list[str]:
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    found: list[str] = _WORD.findall(plain)
    return found


def _runs(words: Sequence[str]) -> Iterator[str]:
    return map(" ".join, zip(*(words[start:] for start in range(_RUN)), strict=False))


@lru_cache(maxsize=32_768)
def _digest(piece: str) -> int:
    # Amounts are compared without the zeros before them.
    plain = (piece.lstrip("0") or "0") if piece.isdigit() else piece
    return int.from_bytes(hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=4).digest())
