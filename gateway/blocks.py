"""Cuts a stream into blocks that can be inspected: at sentence ends, else at spaces, never held back beyond a bound."""

from __future__ import annotations

import re

# Characters. A block is looked at as a whole, so what is released lags behind by at most HARD.
AT_LEAST = 160
SOFT = 480
HARD = 1200
# How much of what was released is shown again with the next block, for what spans both.
CONTEXT = 256

_SENTENCE = re.compile(r"(?:[.!?][\"')\]]*\s+|\n)")
_SPACE = re.compile(r"\s+")


class Blocks:
    """Collects pieces and gives out blocks."""

    def __init__(self) -> None:
        self._waiting = ""
        self.preceding = ""

    def add(self, piece: str) -> list[str]:
        """The blocks that are complete with this piece."""
        self._waiting += piece
        ready = []
        while cut := _cut(self._waiting):
            ready.append(self._waiting[:cut])
            self._waiting = self._waiting[cut:]
        return ready

    def rest(self) -> str:
        """What is left at the end of the stream."""
        left, self._waiting = self._waiting, ""
        return left

    def released(self, block: str) -> None:
        """Remembers the end of what was looked at."""
        self.preceding = (self.preceding + block)[-CONTEXT:]


def _cut(text: str) -> int:
    """Where the next block ends; 0 = not yet."""
    if len(text) < AT_LEAST:
        return 0
    sentences = [match.end() for match in _SENTENCE.finditer(text) if match.end() >= AT_LEAST]
    if sentences:
        return sentences[-1]
    if len(text) < SOFT:
        return 0
    spaces = [match.end() for match in _SPACE.finditer(text, AT_LEAST)]
    if spaces:
        return spaces[-1]
    return HARD if len(text) >= HARD else 0
