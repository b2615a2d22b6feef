"""Whether an answer says the system prompt: keyed hashes of four words in a row, of which nobody can read any back.

They go with the admission (or with a direct caller), so nothing is stored here. An answer in pieces counts as a whole:
each look says which rows of words were seen by then, and the next one takes that along.
What this cannot see: a prompt told in other words or in another language.
"""

from __future__ import annotations

import codecs
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.guardrail.policy import decode, fold

ROW = 4  # words
SIZE = 4  # bytes of a hash
MOST = 1_000  # hashes that are kept of a prompt; of a longer one evenly fewer
LEAST = 8  # a prompt with fewer rows of words has too little of its own
# Seen so many rows of it, and such a share of it, or very many: an answer quotes facts of a prompt, not half of it.
ROWS, SHARE, MANY = 12, 0.25, 80
_FORMAT = 1
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Prints:
    """Hashes of a prompt. Of rows whose hash ends in `thin` zero bits alone, when there were too many."""

    thin: int
    hashes: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """For whoever keeps them."""
        return bytes([_FORMAT, self.thin]) + b"".join(self.hashes)


def key_of(secret: bytes, organisation: str) -> bytes:
    """The key of one organisation's hashes."""
    return hmac.digest(secret, f"prints|{organisation}".encode(), hashlib.sha256)


def prints_of(key: bytes, prompts: Iterable[str]) -> Prints:
    """Of all parts that the product wrote."""
    found = {mark for prompt in prompts for mark in _rows(key, prompt)}
    thin = 0
    kept = found
    while len(kept) > MOST:
        thin += 1
        kept = {mark for mark in found if _ends_so(mark, thin)}
    return Prints(thin, tuple(sorted(kept)))


def read(data: bytes) -> Prints | None:
    """Prints as they were kept; None for what is none."""
    if len(data) < 2 or data[0] != _FORMAT or (len(data) - 2) % SIZE or data[1] > 31 or len(data) > 2 + MOST * SIZE:
        return None
    return Prints(data[1], tuple(data[at : at + SIZE] for at in range(2, len(data), SIZE)))


def look(keys: Sequence[bytes], prints: Prints, text: str, seen: bytes) -> bytes:
    """Which hashes were seen by now, one bit each; `seen` says which were before."""
    places = {mark: place for place, mark in enumerate(prints.hashes)}
    bits = int.from_bytes(seen, "big")
    for form in _forms(text):
        for key in keys:
            for mark in _rows(key, form):
                place = places.get(mark)
                if place is not None:
                    bits |= 1 << place
    return bits.to_bytes((len(prints.hashes) + 7) // 8, "big")


def says_it(prints: Prints, seen: bytes) -> bool:
    """Whether so much of the prompt was said that the answer must not go out."""
    count = int.from_bytes(seen, "big").bit_count()
    rows, total = count << prints.thin, len(prints.hashes)
    return total >= LEAST and (rows >= MANY or (rows >= min(ROWS, total << prints.thin) and count >= SHARE * total))


def _rows(key: bytes, text: str) -> Iterator[bytes]:
    words = _WORD.findall(fold.without_lookalikes(fold.fold(text)))
    for place in range(len(words) - ROW + 1):
        said = " ".join(words[place : place + ROW])
        yield hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=SIZE, key=key).digest()


def _ends_so(mark: bytes, thin: int) -> bool:
    return int.from_bytes(mark, "big") & ((1 << thin) - 1) == 0


def _forms(text: str) -> Iterator[str]:
    """The text, decoded, shifted, backwards."""
    yield text
    current = text
    for _ in range(decode.ROUNDS):
        found = decode.decode_once(current)
        if found is None:
            break
        current = found.text
        yield current
    yield codecs.encode(text, "rot13")
    yield text[::-1]
