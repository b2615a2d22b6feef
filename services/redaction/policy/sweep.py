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
_MARKS = frozenset(" .-/()\u00a0\u2011")
_MOST_MARKS = 2
_LEAST = 4
_LEAST_DIGITS = 7
_DIGIT_KEY = 7
_DIGIT_WINDOW = 7 + 6 * 2
_SCORE = 1.0


class Sweep:
    """The values, ready to be looked for. Nothing is compiled: a call that knows a thousand values stays quick."""

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        self._plain: dict[str, dict[str, str]] = {}
        self._digits: dict[str, dict[str, str]] = {}
        for entity, value in values:
            first = _WORD.search(value) if entity not in _NOT_SWEPT else None
            if first is None:
                continue
            plain = value[first.start() :].rstrip()
            if len(plain) >= _LEAST or (entity == "PERSON" and len(plain) == _LEAST - 1):
                self._plain.setdefault(first[0], {}).setdefault(plain, entity)
            digits = "".join(filter(str.isdecimal, plain))
            if len(digits) >= _LEAST_DIGITS and not any(map(str.isalpha, plain)):
                self._digits.setdefault(digits[:_DIGIT_KEY], {}).setdefault(digits, entity)
            if entity == "PERSON":
                for part in _NAME_PART.findall(plain):
                    if part[0].isupper():
                        self._plain.setdefault(part, {}).setdefault(part, entity)

    def __bool__(self) -> bool:
        return bool(self._plain or self._digits)

    def find(self, text: str) -> Iterator[Finding]:
        """Every place where a value stands by itself."""
        for word in _WORD.finditer(text):
            start = word.start()
            for plain, entity in self._plain.get(word[0], {}).items():
                end = start + len(plain)
                if text.startswith(plain, start) and _ends(text, end):
                    yield Finding(entity, start, end, _SCORE, validated=True)
            if self._digits and word[0][0].isdecimal():
                ahead = "".join(filter(str.isdecimal, text[start : start + _DIGIT_WINDOW]))[:_DIGIT_KEY]
                for digits, entity in self._digits.get(ahead, {}).items():
                    end = _end_of_digits(text, start, digits)
                    if end:
                        yield Finding(entity, start, end, _SCORE, validated=True)


def _ends(text: str, end: int) -> bool:
    return not (text[end - 1].isalnum() and text[end : end + 1].isalnum())


def _end_of_digits(text: str, start: int, digits: str) -> int:
    """Where the digits end when they stand there with a mark or two between some of them; 0 when they do not."""
    at = start
    for digit in digits:
        limit = at + _MOST_MARKS
        while at < limit and text[at : at + 1] in _MARKS:
            at += 1
        if text[at : at + 1] != digit:
            return 0
        at += 1
    return at if _ends(text, at) else 0
