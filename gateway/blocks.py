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

_SENTENCE_ENDS = re.compile(r"(?:[.!?][\"')\]]{0,4}\s|\n)\Z")
_SPACE = re.compile(r"\s")
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
    """Where the next block ends; 0 = not yet. Each place is judged by what stands before it, after a number by one sign
    behind it as well: so the blocks are the same however the text comes in."""
    spaces: list[int] = []
    for match in _SPACE.finditer(text, AT_LEAST - 1):
        end = match.end()
        if end > SOFT and spaces:
            break
        if end < AT_LEAST or _inside_key(text, end) or _cuts_a_number(text, end):
            continue
        if end > SOFT or _SENTENCE_ENDS.search(text, max(0, end - 8), end):
            return end if end <= HARD or _inside_key(text, HARD) else HARD
        spaces.append(end)
    if len(text) <= SOFT:
        return 0
    if spaces:
        return spaces[-1]
    if len(text) < HARD or (_inside_key(text, HARD) and len(text) < KEY):
        return 0
    return HARD


def _inside_key(text: str, at: int) -> bool:
    """Whether a place is inside of a private key, which may not be cut: not one that is too long to be one."""
    begins = text.rfind(_KEY_BEGINS, max(0, at - KEY), at)
    return begins >= 0 and _KEY_ENDS.search(text, begins, at) is None


def _cuts_a_number(text: str, at: int) -> bool:
    """Also when it may yet turn out to: nothing stands behind it so far."""
    return bool(_IN_A_NUMBER.search(text[max(0, at - 8) : at]) and _NUMBER.match(text, at))
