"""Hashed word and character n-grams of a folded text, with where each begins: arrays only, linear in the length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int64]
Found = tuple[tuple[str, int], Ints, Places]

BITS = 18
BUCKETS = 1 << BITS  # of words, and as many of characters
CHARACTERS = (3, 4, 5)
WORDS = (1, 2, 3)
SHAPES = ("punctuation", "brackets", "quotes", "digits", "line_ends", "other_scripts")
_PRIME = np.uint32(0x01000193)
_MIX = np.uint32(0x9E3779B1)
_SPREAD = np.uint32(0x85EBCA6B)
_SPACE, _ZERO = np.uint32(32), np.uint32(48)
_LETTER, _DIGIT, _BRACKET, _QUOTE, _MARK, _END, _BLANK = 1, 2, 4, 8, 16, 32, 64
_WORDLIKE = _LETTER | _DIGIT


def _kinds() -> npt.NDArray[np.uint8]:
    """What each character of the first 64 K is; those beyond count as marks (emoji) or letters (rare ideographs)."""
    kinds = np.full(0x10000, _LETTER, np.uint8)
    kinds[:128] = _MARK
    kinds[:33] = _BLANK
    kinds[10] = kinds[13] = _END | _BLANK
    for characters, kind in (
        ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", _LETTER),
        ("0123456789", _DIGIT),
        ("()[]{}<>|", _BRACKET | _MARK),
        ("\"'`", _QUOTE | _MARK),
    ):
        for character in characters:
            kinds[ord(character)] = kind
    for first, last in ((0x80, 0xBF), (0x2000, 0x2BFF), (0x3000, 0x303F), (0xFE00, 0xFE0F), (0xFF00, 0xFF0F)):
        kinds[first : last + 1] = _MARK
    for quote in "«»“”„‘’":
        kinds[ord(quote)] = _QUOTE | _MARK
    kinds[0xA0] = kinds[0x3000] = _BLANK
    return kinds


_KINDS = _kinds()
_POWERS = np.cumprod(np.full(64, _PRIME, np.uint32), dtype=np.uint32)


@dataclass(frozen=True, slots=True)
class Grams:
    """The buckets of all n-grams and the character each begins at, one pair of arrays per kind and length."""

    length: int
    kinds: tuple[tuple[str, int], ...]
    buckets: tuple[Ints, ...]
    starts: tuple[Places, ...]
    shapes: npt.NDArray[np.float64]  # running sums, one row per shape


def grams_of(text: str) -> Grams:
    """All of them."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _KINDS[np.minimum(codes, np.uint32(0xFFFF))]
    found: list[Found] = []
    if len(codes):
        _characters(codes, kinds, found)
        _words(codes, kinds, found)
    return Grams(
        len(codes),
        tuple(kind for kind, _, _ in found),
        tuple(buckets for _, buckets, _ in found),
        tuple(starts for _, _, starts in found),
        _shapes(codes, kinds),
    )


def _characters(codes: Ints, kinds: npt.NDArray[np.uint8], found: list[Found]) -> None:
    """Inside words, with the gap before and after: n-grams over a gap would say what word pairs say already."""
    plain = np.full(len(codes) + 2, _SPACE, np.uint32)
    plain[1:-1] = np.where(kinds & _BLANK, _SPACE, np.where(kinds & _DIGIT, _ZERO, codes))
    filled = plain != _SPACE
    # A ruled line says nothing by its length: of a run of one mark only the beginning counts.
    filled[2:-1] &= ~((plain[2:-1] == plain[1:-2]) & (plain[1:-2] == plain[:-3]) & ((kinds[1:] & _MARK) != 0))
    hashed, inner = plain, None
    for size in range(2, max(CHARACTERS) + 1):
        if len(plain) < size:
            return
        hashed = hashed[:-1] * _PRIME + plain[size - 1 :]
        if size == 2:
            continue
        added = filled[size - 2 : len(plain) - 1]
        inner = added if inner is None else inner[:-1] & added
        if size in CHARACTERS:
            places = np.flatnonzero(inner)
            found.append((("characters", size), _bucket(hashed[places], size), np.maximum(places - 1, 0)))


def _words(codes: Ints, kinds: npt.NDArray[np.uint8], found: list[Found]) -> None:
    inside = np.zeros(len(codes) + 2, np.int8)
    inside[1:-1] = (kinds & _WORDLIKE) != 0
    turns = np.flatnonzero(np.diff(inside))
    first, last = turns[::2], turns[1::2]
    if not len(first):
        return
    lengths = last - first
    places = np.flatnonzero(inside[1:-1])
    offsets = places - np.repeat(first, lengths)
    values = np.where(kinds[places] & _DIGIT, _ZERO, codes[places]) * _POWERS[offsets & 63]
    word = np.add.reduceat(values, np.concatenate(([0], np.cumsum(lengths)[:-1])), dtype=np.uint32) * _SPREAD
    hashed = word
    for size in WORDS:
        if size > 1:
            hashed = hashed[:-1] * _MIX + word[size - 1 :]
        if not len(hashed):
            return
        found.append((("words", size), _bucket(hashed, size) + np.uint32(BUCKETS), first[: len(hashed)]))


def _bucket(hashed: Ints, seed: int) -> Ints:
    mixed = (hashed ^ (hashed >> np.uint32(15)) ^ np.uint32(seed * 0x27D4EB2F & 0xFFFFFFFF)) * _MIX
    return mixed >> np.uint32(32 - BITS)


def _shapes(codes: Ints, kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Running counts, so that any window is a difference."""
    sums = np.zeros((len(SHAPES), len(codes) + 1), np.float64)
    told = (
        kinds & _MARK, kinds & _BRACKET, kinds & _QUOTE, kinds & _DIGIT, kinds & _END, codes > 0x24F,
    )  # fmt: skip
    for row, those in enumerate(told):
        np.cumsum(those != 0, out=sums[row, 1:])
    return sums
