"""Offsets as other languages count them: UTF-8 bytes or UTF-16 units instead of code points."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class OffsetUnit(Enum):
    """In what positions are counted."""

    CODE_POINT = "code point"
    UTF8_BYTE = "UTF-8 byte"
    UTF16 = "UTF-16 unit"


def convert(text: str, offsets: Sequence[int], unit: OffsetUnit) -> list[int]:
    """The same positions in another unit, in any order; each part of the text is measured once."""
    if unit is OffsetUnit.CODE_POINT or text.isascii():
        return list(offsets)
    converted: dict[int, int] = {}
    done = total = 0
    for offset in sorted(set(offsets)):
        piece = text[done:offset]
        total += len(piece.encode()) if unit is OffsetUnit.UTF8_BYTE else len(piece.encode("utf-16-le")) // 2
        converted[offset] = total
        done = offset
    return [converted[offset] for offset in offsets]
