"""Values that the conversation knows already, wherever they come again: without the words around them that gave them
away the first time, with other marks between their digits, a name by one of its parts.

Each word of the text is looked up once, so the cost follows the text and not the number of values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from services.redaction.policy.model import LITERAL, Finding

# Two figures of an age or "Dr." stand in many places where they mean nobody.
_NOT_SWEPT = frozenset({LITERAL, "AGE", "TITLE"})
_WORD = re.compile(r"\w+")
_NAME_PART = re.compile(r"[^\W\d_]{3,}")
_KEY = 3
_LEAST = 4
_LEAST_DIGITS = 7
_SCORE = 1.0


class Sweep:
    """The values, ready to be looked for."""

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        self._patterns: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        seen: set[tuple[str, str]] = set()
        for entity, value in values:
            if entity in _NOT_SWEPT:
                continue
            for spelled, written in _spellings(entity, value):
                if (entity, written) not in seen:
                    seen.add((entity, written))
                    self._patterns.setdefault(_key(spelled), []).append((re.compile(written), entity))

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def find(self, text: str) -> Iterator[Finding]:
        """Every place where a value stands by itself."""
        for word in _WORD.finditer(text):
            for pattern, entity in self._patterns.get(_key(word[0]), ()):
                match = pattern.match(text, word.start())
                if match is not None:
                    yield Finding(entity, match.start(), match.end(), _SCORE, validated=True)


def _spellings(entity: str, value: str) -> Iterator[tuple[str, str]]:
    """Pairs of how a spelling begins and a pattern for it; each begins with a word."""
    first = _WORD.search(value)
    if first is None:
        return
    plain = value[first.start() :].rstrip()
    if len(plain) >= _LEAST or (entity == "PERSON" and len(plain) == _LEAST - 1):
        end = r"(?!\w)" if plain[-1].isalnum() or plain[-1] == "_" else ""
        yield plain, re.escape(plain) + end
    digits = "".join(ch for ch in plain if ch.isdecimal())
    if len(digits) >= _LEAST_DIGITS and not any(map(str.isalpha, plain)):
        yield digits, r"[ .\-/()\u00a0\u2011]{0,2}".join(digits) + r"(?!\w)"
    if entity == "PERSON":
        for part in _NAME_PART.findall(plain):
            if part[0].isupper():
                yield part, re.escape(part) + r"(?!\w)"


def _key(word: str) -> str:
    match = _WORD.match(word)
    run = match[0] if match else word
    # Digits may be cut anywhere by marks, so one figure has to do for them.
    return run[:1] if run[:1].isdecimal() else run[:_KEY]
