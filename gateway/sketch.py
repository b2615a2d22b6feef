"""A sketch of a question: nearly equal questions have nearly equal sketches, and no text can be read out of one.

One-permutation MinHash over the pieces of the normalised words. Who can read the sketch could confirm a guess of the
whole question; it lives minutes, beside the counters of its user, and goes nowhere else.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

SLOTS = 32
# Under so many pieces ("yes", "thank you") everything is alike and nothing is learned from a model.
AT_LEAST = 12
# A long text is known by its beginning; what it costs stays bounded.
CHARACTERS = 2000
_PIECE = 4

_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d+")
# Words of which every question is made; without them two different questions are less alike.
_WORDS = (
    "a about an and any are as at be by can could do does for from give has have how i if in is it its "
    "me my of on or our please should show so some tell than that the their them then there these they "
    "this to us was we were what when where which who why will with would you your"
)
_COMMON = frozenset(_WORDS.split())


def sketch(text: str) -> bytes:
    """The sketch, SLOTS bytes; empty when there is too little to go by."""
    found = set(_pieces(text[:CHARACTERS]))
    if len(found) < AT_LEAST:
        return b""
    least: list[int] = [-1] * SLOTS
    for piece in found:
        value = int.from_bytes(hashlib.blake2b(piece.encode(), digest_size=6).digest())
        slot, rest = value % SLOTS, value // SLOTS
        if least[slot] < 0 or rest < least[slot]:
            least[slot] = rest
    return bytes(_filled(least, slot) & 0xFF for slot in range(SLOTS))


def _filled(least: list[int], slot: int) -> int:
    """A slot that nothing fell into takes the next one's value, moved by the distance."""
    for distance in range(SLOTS):
        value = least[(slot + distance) % SLOTS]
        if value >= 0:
            return value + distance * 0x9E3779B1
    return 0


def _pieces(text: str) -> Iterable[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    for found in _WORD.findall(bare):
        word = _DIGITS.sub("0", found)
        if word in _COMMON:
            continue
        if len(word) <= _PIECE:
            yield word
        for start in range(len(word) - _PIECE + 1):
            yield word[start : start + _PIECE]
