"""What the model sees of a word: hashed numbers, computed for all words of a text at once.

A word's own properties are looked up once and kept; the combinations with its neighbours are arithmetic on arrays.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]

FIRST, LAST, PLACE, PART, COUNTRY, TITLE = 1, 2, 4, 8, 16, 32
_KEPT_WORDS = 50_000
# Words behind and ahead that a word's numbers can reach to, and what stands there at the edge of a text.
EDGE = 4
NOTHING = 0x9E3779B1

# Columns of a word's own properties.
WORD, SHAPE, PRE2, PRE3, SUF2, SUF3, SUF4, LISTS, COMMON, CASE, KIND = range(11)
COLUMNS = 11

# Each template joins columns of words at a distance: (distance, column).
TEMPLATES: tuple[tuple[tuple[int, int], ...], ...] = (
    ((0, WORD),),
    ((0, WORD), (0, CASE)),
    ((0, SHAPE),),
    ((0, PRE2),),
    ((0, PRE3),),
    ((0, SUF2),),
    ((0, SUF3),),
    ((0, SUF4),),
    ((0, SUF3), (0, CASE)),
    ((0, KIND),),
    ((0, LISTS),),
    ((0, COMMON), (0, CASE)),
    ((-1, WORD),),
    ((1, WORD),),
    ((-2, WORD),),
    ((2, WORD),),
    ((-3, WORD),),
    ((3, WORD),),
    ((-1, KIND),),
    ((1, KIND),),
    ((-2, KIND),),
    ((2, KIND),),
    ((-1, SUF3),),
    ((1, SUF3),),
    ((-1, WORD), (0, WORD)),
    ((0, WORD), (1, WORD)),
    ((-2, WORD), (-1, WORD)),
    ((1, WORD), (2, WORD)),
    ((-1, WORD), (0, KIND)),
    ((0, KIND), (1, WORD)),
    ((-2, WORD), (-1, WORD), (0, KIND)),
    ((0, KIND), (1, WORD), (2, WORD)),
    ((-1, WORD), (0, KIND), (1, WORD)),
    ((-1, KIND), (0, KIND)),
    ((0, KIND), (1, KIND)),
    ((-1, KIND), (0, KIND), (1, KIND)),
    ((-2, CASE), (-1, CASE), (0, KIND)),
    ((0, KIND), (1, CASE), (2, CASE)),
    ((-1, LISTS), (0, LISTS), (1, LISTS)),
    ((-2, CASE), (-1, CASE), (0, CASE), (1, CASE), (2, CASE)),
    ((-1, WORD), (0, SHAPE), (1, SHAPE)),
    ((0, SUF3), (1, KIND)),
    ((-1, KIND), (0, SUF3)),
)
_SEEDS = [zlib.crc32(f"template {n}".encode()) for n in range(len(TEMPLATES))]


class Reader:
    """Turns words into numbers. `lists` and `common` are keyed by the checksum of the small-letter word."""

    def __init__(self, lists: Mapping[int, int], common: Mapping[int, int], bits: int) -> None:
        self._lists = lists
        self._common = common
        self._mask = np.uint32((1 << bits) - 1)
        self._words: dict[str, tuple[int, ...]] = {}

    def columns(self, words: Sequence[str]) -> Ids:
        """Own properties, one row a word."""
        known = self._words
        rows = []
        for word in words:
            row = known.get(word)
            if row is None:
                if len(known) >= _KEPT_WORDS:
                    known.clear()
                row = known[word] = self._properties(word)
            rows.append(row)
        return np.array(rows, dtype=np.uint32).reshape(len(words), COLUMNS)

    def features(self, columns: Ids) -> Ids:
        """Numbers of all templates, one row a word, below 2 ** bits; 0 is never given."""
        count = len(columns)
        padded = np.full((count + 2 * EDGE, COLUMNS), NOTHING, dtype=np.uint32)
        padded[EDGE : EDGE + count] = columns
        turned = np.ascontiguousarray(padded.T)
        result = np.empty((len(TEMPLATES), count), dtype=np.uint32)
        for n, parts in enumerate(TEMPLATES):
            mixed: Ids = np.full(count, _SEEDS[n], dtype=np.uint32)
            for distance, column in parts:
                mixed = (mixed ^ turned[column, EDGE + distance : EDGE + distance + count]) * np.uint32(0x85EBCA6B)
                mixed ^= mixed >> np.uint32(15)
            mixed = mixed * np.uint32(0xC2B2AE35)
            mixed ^= mixed >> np.uint32(13)
            result[n] = np.maximum(mixed & self._mask, np.uint32(1))
        return np.ascontiguousarray(result.T)

    def _properties(self, word: str) -> tuple[int, ...]:
        low = word.lower()
        key = checksum(low)
        lists = self._lists.get(key, 0)
        common = self._common.get(key, 0)
        case = _case(word)
        ends = [checksum(f"<{low[:2]}"), checksum(f"<{low[:3]}")]
        ends += [checksum(f"{low[-size:]}>") for size in (2, 3, 4)]
        own = key if not word.isdigit() else checksum(f"digits {min(len(word), 6)}")
        kind = (lists << 12) | (common << 8) | case
        return own, checksum(f"shape {_shape(word)}"), *ends, lists, common, case, kind


def checksum(text: str) -> int:
    """A number for a word, the same in every process."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def _case(word: str) -> int:
    """What kind of word it is, from its letters."""
    first = word[0]
    if word == "\n":
        return 1
    if word[0] in "@#" and len(word) > 1:
        return 2
    if "://" in word or word.startswith("www.") or "@" in word:
        return 3
    if first.isdigit():
        return 4
    if not first.isalpha():
        return 5 + ".,:;!?-()'\"/&".find(first) + 1 if len(word) == 1 else 5
    if word.islower():
        return 32
    if word.isupper():
        return 33 if len(word) > 1 else 34
    if first.isupper():
        return 35 if word[1:].islower() else 36
    return _script(first) if not first.islower() else 37


def _script(letter: str) -> int:
    """Scripts without capitals, told apart."""
    code = ord(letter)
    for number, (low, high) in enumerate(
        ((0x0590, 0x05FF), (0x0600, 0x06FF), (0x0900, 0x0DFF), (0x0E00, 0x0EFF), (0x3040, 0x30FF), (0x3400, 0x9FFF))
    ):
        if low <= code <= high:
            return 40 + number
    return 46 if 0xAC00 <= code <= 0xD7A3 else 47


def _shape(word: str) -> str:
    """Letters and digits by kind; a run of three or more counts as two."""
    shape = ""
    for letter in word[:24]:
        kind = "d" if letter.isdigit() else "X" if letter.isupper() else "x" if letter.isalpha() else letter
        if shape[-2:] != kind * 2:
            shape += kind
    return shape
