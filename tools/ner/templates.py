"""Sentences with gaps, written for this purpose: english.txt, negative.txt (no names), other.txt (culture@sentence).

A line is one text; `|` in it breaks the line of the text. Gaps that are names: {name} full, {first}, {last} (PER);
{city} {country} {region} {address} {street} (LOC); {org} (ORG). Others are filled with what is no name.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def lines(kind: str) -> list[str]:
    """The templates of `english`, `negative` or `other`."""
    text = (_FOLDER / f"{kind}.txt").read_text(encoding="utf-8")
    return [line.replace("|", "\n") if " | " not in line else line for line in text.split("\n") if line]
