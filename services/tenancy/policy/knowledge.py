"""Documents as pieces, questions as vectors, and what fits into a context. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from services.tenancy.policy.filters import Field, Filter, Labelled, among, both

BYTES_PER_TOKEN = 3
PER_PART = 4
"""A part is counted at its bytes by three, rounded up, and four more: above what tokenizers report for prose."""
PIECE = 1200
"""Characters of a chunk, at most, when a text is cut here."""
MOST_CHUNKS = 500

_WHITE = " \n\t"


class Part(Protocol):
    """Something that may go into a context."""

    @property
    def text(self) -> str:
        """Its text."""
        ...


P = TypeVar("P", bound=Part)


def tokens(text: str) -> int:
    """What a text is counted at."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN) + PER_PART


def pieces(text: str, most: int = PIECE) -> list[str]:
    """A text cut between paragraphs, else between sentences, else between words; nothing of it is lost but the white
    space where it is cut."""
    found: list[str] = []
    rest = text.strip(_WHITE)
    while len(rest) > most:
        cut = _last(rest, most)
        found.append(rest[:cut].rstrip(_WHITE))
        rest = rest[cut:].lstrip(_WHITE)
    return [*found, rest] if rest else found


def _last(text: str, most: int) -> int:
    for mark in ("\n\n", "\n", ". ", " "):
        place = text.rfind(mark, most // 2, most)
        if place > 0:
            return place + len(mark)
    return most


def flaw(vectors: Sequence[Sequence[float]]) -> str:
    """What is wrong with vectors that shall be compared; empty when nothing is."""
    if len({len(vector) for vector in vectors}) != 1:
        return "all vectors must have one length"
    for vector in vectors:
        length = math.sqrt(sum(value * value for value in vector))
        if not math.isfinite(length) or not 1e-20 < length < 1e18:
            return "a vector must be of finite numbers, not all zero"
    return ""


def narrowed(chosen: Filter, brand: str, labels: Iterable[str]) -> Filter:
    """What the caller may read, of this brand (empty = any) and with all of these labels."""
    wanted = [among(Field.BRAND, [brand])] if brand else []
    return both(chosen, *wanted, *(Labelled(label) for label in sorted(set(labels))))


def fitting(parts: Iterable[P], budget: int) -> tuple[list[P], int, int]:
    """The parts that fit, in order and without repeating a text; their tokens; how many were left out.

    A part that does not fit is passed over, so that a long one does not shut out the shorter ones behind it.
    """
    kept: list[P] = []
    seen: set[str] = set()
    spent = left_out = 0
    for part in parts:
        text = " ".join(part.text.split())
        if text in seen:
            continue
        seen.add(text)
        cost = tokens(part.text)
        if spent + cost > budget:
            left_out += 1
            continue
        kept.append(part)
        spent += cost
    return kept, spent, left_out
