"""Telephone numbers by shape (international, North American, trunk zero, area in brackets), else by the words near."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.redaction.policy.context import is_reference, speaks_of
from services.redaction.policy.intervals import Taken
from services.redaction.policy.model import Finding

_STRONG = re.compile(
    r"(?P<nanp>(?:\+?1[ .\-/]{0,2})?\(?[2-9][0-9]{2}\)?[ .\-/]{0,2}[2-9][0-9]{2}[ .\-]{0,2}[0-9]{4}(?![0-9]))"
    r"|(?P<intl>\+[ ]?\(?[1-9][0-9]{0,3}\)?(?:[ .\-/]{0,2}\(?[0-9]{1,8}\)?){1,7})"
    r"|(?P<exit>(?:00|011[ \-])[ \-]?[1-9][0-9]{0,2}(?:[ .\-/]{0,2}\(?[0-9]{1,8}\)?){2,6})"
    r"|(?P<trunk>\(?0[1-9][0-9]{0,4}\)?(?:[ .\-/]{0,2}[0-9]{2,8}){1,5})"
    r"|(?P<area>\([0-9]{2,5}\)[ \-]{0,2}[0-9]{3,5}[ .\-]{0,2}[0-9]{3,5})"
    r"|(?P<pair>[6-9][0-9]{4}[ \-]?[0-9]{5}(?![0-9]))"
)
_ANY = re.compile(r"\(?[0-9]{1,5}\)?(?:[ .\-/]{0,2}[0-9]{2,5}){1,5}")
_EXTENSION = re.compile(r"[ ,;]{0,2}(?:x|ext\.?|extension|#)[ .:]{0,2}[0-9]{1,6}(?![0-9])", re.IGNORECASE)
_DIGITS = {"nanp": (10, 11), "intl": (7, 15), "exit": (9, 18), "trunk": (9, 12), "area": (8, 12), "pair": (10, 10)}
_SCORES = {"nanp": 0.6, "intl": 0.75, "exit": 0.5, "trunk": 0.5, "area": 0.5, "pair": 0.4}
_DIGIT = re.compile(r"[0-9]")
_ZIP = re.compile(r"[0-9]{5}-[0-9]{4}")


def find_phones(text: str, start: int, end: int, taken: Taken, *, said: bool = True) -> Iterator[Finding]:
    """Yield the numbers in a stretch of digits, leaving out what a surer recognizer has taken.

    `said` is False when no word for a telephone stands anywhere in the text: then no number is one by such a word.
    """
    at = start
    while at > max(0, start - 3) and text[at - 1] in "+( ":
        at -= 1
    while (match := _STRONG.search(text, at, end)) is not None:
        at = match.start() + 1
        found = _strong(text, match)
        if found is not None and not taken.overlaps(found.start, found.end):
            taken.add(found.start, found.end)
            yield found
            at = min(found.end, end)
    if said:
        yield from _by_words(text, start, end, taken)


def _strong(text: str, match: re.Match[str]) -> Finding | None:
    kind = match.lastgroup or ""
    low, high = _DIGITS[kind]
    start, end = match.span()
    if text[start] == "(" and ")" not in match.group():  # the bracket is of the sentence
        start += 1
    if not low <= _count(match.group()) <= high or not _stands_alone(text, start, end):
        return None
    score = _SCORES[kind]
    digits = "".join(_DIGIT.findall(match.group()))
    if kind == "nanp":
        national = digits[-10:]
        if national[1:3] == "11" or national[4:6] == "11":  # service codes, never an area or an exchange
            return None
    bare = end - start == len(digits)
    if bare and kind in ("nanp", "pair", "trunk", "exit"):
        score = 0.4
        if is_reference(text, start) and not speaks_of("PHONE_NUMBER", text, start, end):
            return None
    if speaks_of("PHONE_NUMBER", text, start, end):
        score = min(score + 0.35, 0.95)
    extension = _EXTENSION.match(text, end)
    return Finding("PHONE_NUMBER", start, extension.end() if extension else end, score)


def _by_words(text: str, start: int, end: int, taken: Taken) -> Iterator[Finding]:
    at = start
    while (match := _ANY.search(text, at, end)) is not None:
        first, last = match.span()
        at = last
        if not 7 <= _count(match.group()) <= 13 or not _stands_alone(text, first, last):
            continue
        found = Finding("PHONE_NUMBER", first, last, 0.45)
        if taken.overlaps(first, last) or is_reference(text, first) or _ZIP.fullmatch(match.group()):
            continue
        if speaks_of("PHONE_NUMBER", text, first, last):
            yield found


def _count(piece: str) -> int:
    return len(_DIGIT.findall(piece))


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Not a part of a word, a decimal, an address by numbers or an identifier with dashes."""
    if start:
        before = text[start - 1]
        if before.isalnum() or before == "_" or (before in "-./:" and start > 1 and text[start - 2].isalnum()):
            return text[start - 1] in ":/" and not text[start - 2].isdigit()
    if end < len(text):
        after = text[end]
        if after.isdigit() or after == "_" or (after.isalpha() and after not in "xXeE"):
            return False
        if after in "-.:/" and end + 1 < len(text) and text[end + 1].isdigit():
            return False
    return True
