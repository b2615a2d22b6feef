"""Payment card numbers: issuer ranges, lengths, Luhn, and what to do when only the checksum is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.redaction.policy.context import is_reference, speaks_of
from services.redaction.policy.model import Finding

_CANDIDATE = re.compile(r"[1-6][0-9]{3}[ .\-]{0,3}[0-9]{3,6}[ .\-]{0,3}[0-9]{2,6}(?:[ .\-]{0,3}[0-9]{1,6}){0,3}")
_SPREAD = re.compile(r"[1-6](?:[ .\-]{1,3}[0-9]{1,3}){5,18}")
_GROUP = re.compile(r"[0-9]+")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def find_cards(text: str, start: int, end: int) -> Iterator[Finding]:
    """Yield the cards in a stretch of digits and separators."""
    at = start
    while (match := _CANDIDATE.search(text, at, end)) is not None:
        found = _best(text, match.start(), match.end(), end)
        if found is not None:
            yield found
            at = found.end
        else:
            group = _GROUP.match(text, match.start(), end)
            at = group.end() if group is not None else match.end()
    spread = _SPREAD.search(text, start, end)
    if spread is not None and (odd := _spelled_out(text, spread.start(), spread.end())) is not None:
        yield odd


def luhn(digits: str) -> bool:
    """The mod-10 checksum."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(d)] for d in digits[-2::-2])
    return total % 10 == 0


def issued(digits: str) -> bool:
    """True when the length and the first digits are of a card network."""
    size, head = len(digits), int(digits[:4])
    if digits[0] == "4":
        return size in (13, 16, 19)
    if 5100 <= head <= 5599 or 2221 <= head <= 2720:
        return size == 16
    if digits[:2] in ("34", "37"):
        return size == 15
    if 3000 <= head <= 3059 or digits[:2] in ("36", "38", "39"):
        return 14 <= size <= 19
    if head in (2131, 1800) or 3528 <= head <= 3589 or digits[:2] == "35":
        return 15 <= size <= 19
    if digits[0] == "6" or digits[:2] in ("50", "56", "57", "58"):
        return 12 <= size <= 19
    if digits[0] == "1":  # air travel cards; 13 digits after a 1 are milliseconds
        return size == 15
    return False


def _best(text: str, start: int, end: int, limit: int) -> Finding | None:
    """The longest run of whole digit groups that is a card; groups before it are skipped by the caller."""
    if start and text[start - 1].isalnum():
        return None
    ends = [m.end() for m in _GROUP.finditer(text, start, end)]
    if end < limit and text[end].isdigit() and ends:
        ends.pop()
    weak: Finding | None = None
    for stop in reversed(ends):
        if stop < len(text) and text[stop].isalnum():
            continue
        digits = "".join(_GROUP.findall(text, start, stop))
        if not 12 <= len(digits) <= 19 or not issued(digits):
            continue
        found = _judge(text, start, stop, digits)
        if found.validated:
            return found
        if weak is None or found.score > weak.score:
            weak = found
    return weak


def _judge(text: str, start: int, end: int, digits: str) -> Finding:
    context = speaks_of("CREDIT_CARD", text, start, end)
    if luhn(digits) and (len(digits) > 12 or end - start > 12 or context):
        return Finding("CREDIT_CARD", start, end, 1.0, validated=True)
    # A mistyped card is still a card to whoever reads it: four by four is shape enough, else a word must say so.
    grouped = end - start > len(digits) and len(digits) >= 15 and _even(text, start, end)
    score = 0.45 if grouped else 0.25
    if not grouped and len(digits) in (16, 19) and not is_reference(text, start):
        score = 0.4
    return Finding("CREDIT_CARD", start, end, score + 0.35 if context else score)


def _even(text: str, start: int, end: int) -> bool:
    sizes = [len(group) for group in _GROUP.findall(text, start, end)]
    return sizes[:3] == [4, 4, 4] or sizes == [4, 6, 5]


def _spelled_out(text: str, start: int, end: int) -> Finding | None:
    """Digits spread one by one or in pairs: only with a word for it and a right checksum."""
    digits = "".join(_GROUP.findall(text, start, end))
    if 13 <= len(digits) <= 19 and issued(digits) and luhn(digits) and speaks_of("CREDIT_CARD", text, start, end):
        return Finding("CREDIT_CARD", start, end, 0.9, validated=True)
    return None
