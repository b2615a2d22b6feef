"""Words of a text with their places, and where a line or sentence ends. The same for training and for the service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Letters with the vowel signs and accents that Python does not count among them.
_LETTER = "(?:[^\\W\\d_]|[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff\u0e00-\u0eff])"
# Scripts without spaces (and Korean, whose particles stick to the name): a sign is a word.
_SIGN = "[\u3005\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]"
_TOKEN = re.compile(
    r"[ \t\r\f\v]*\n\s*"
    r"|https?://[^\s<>]+|www\.[^\s<>]+|[\w.+%-]+@[\w-]+\.[\w.-]*\w"
    r"|[@#]\w+"
    r"|(?:[A-Za-z]\.){2,}"
    rf"|{_SIGN}"
    rf"|(?:(?!{_SIGN}){_LETTER})+(?:['’](?![sS]\b)(?:(?!{_SIGN}){_LETTER})+)?"
    r"|\d+"
    r"|['’][sS]\b"
    r"|\S"
)
_ENDS = frozenset(".!?。！？\n")
MOST_IN_A_ROW = 48


@dataclass(frozen=True, slots=True)
class Tokens:
    """Words by position, and the rows (first, after last) that are read as one."""

    words: list[str]
    starts: list[int]
    ends: list[int]
    rows: list[tuple[int, int]]


def tokens_of(text: str) -> Tokens:
    """Every character that is not white space is in one word; a break of the line is a word of its own."""
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        words.append("\n" if "\n" in word else word)
        starts.append(match.start())
        ends.append(match.end())
    return Tokens(words, starts, ends, _rows(words))


def _rows(words: Sequence[str]) -> list[tuple[int, int]]:
    """Sentences, roughly; short ones go together, long ones are cut."""
    rows = []
    first = 0
    for at, word in enumerate(words):
        length = at + 1 - first
        if length >= MOST_IN_A_ROW or (length >= 12 and word in _ENDS and not _shortened(words, at)):
            rows.append((first, at + 1))
            first = at + 1
    if first < len(words):
        rows.append((first, len(words)))
    return rows


def _shortened(words: Sequence[str], at: int) -> bool:
    """A point after "St", "Dr" or one letter ends no sentence."""
    return words[at] == "." and len(words[at - 1]) <= 3 and words[at - 1][0].isupper()
