"""Cuts a stream into blocks that can be inspected: at sentence ends, else at spaces, never held back beyond a bound."""

from __future__ import annotations

import re

# Characters. A block is looked at as a whole, so what is released lags behind by at most HARD, or KEY inside a key.
AT_LEAST = 160
SOFT = 480
HARD = 1200
KEY = 16_384
# How much of what was released is shown again with the next block, for what spans both.
CONTEXT = 256

_SENTENCE = re.compile(r"(?:[.!?][\"')\]]*\s+|\n)")
_SPACE = re.compile(r"\s+")
# A number in groups ("4532 0151 ...") may go on after the space; so may a text that ends with one.
_IN_A_NUMBER = re.compile(r"\d[\s.,-]*$")
_NUMBER = re.compile(r"\d|$")
_KEY_BEGINS = "-----BEGIN "
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{1,40}-----")


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
    key = _key(text)
    sentence = _last(_SENTENCE, text, key)
    if sentence or len(text) < SOFT:
        return sentence
    space = _last(_SPACE, text, key)
    if space or len(text) < (KEY if key else HARD):
        return space
    return HARD


def _key(text: str) -> range:
    """The inside of the last private key in the text, which may not be cut; an unfinished one reaches to the end."""
    begins = text.rfind(_KEY_BEGINS)
    if begins < 0 or len(text) >= KEY:
        return range(0)
    ends = _KEY_ENDS.search(text, begins)
    return range(begins + 1, ends.end() if ends else len(text) + 1)


def _last(boundary: re.Pattern[str], text: str, key: range) -> int:
    """The last boundary that leaves a block long enough and cuts through no key and no number; 0 = none."""
    ends = [match.end() for match in boundary.finditer(text) if match.end() >= AT_LEAST]
    return next((end for end in reversed(ends) if end not in key and not _cuts_a_number(text, end)), 0)


def _cuts_a_number(text: str, at: int) -> bool:
    return bool(_IN_A_NUMBER.search(text[max(0, at - 8) : at]) and _NUMBER.match(text, at))
