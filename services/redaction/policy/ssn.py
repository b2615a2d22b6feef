"""United States social security numbers, also the ones Presidio drops as samples: who typed it meant it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.redaction.policy.context import speaks_of
from services.redaction.policy.model import Finding

_STRONG = re.compile(r"([0-9]{3})([ .\-]|[ ]?-[ ]?)([0-9]{2})\2([0-9]{4})")
_WEAK = re.compile(r"([0-9]{3})[ .\-]{0,3}([0-9]{2})[ .\-]{0,3}([0-9]{4})")


def find_ssns(text: str, start: int, end: int) -> Iterator[Finding]:
    """Yield the numbers in a stretch of digits and separators."""
    at, last = start, 0
    while (match := _WEAK.search(text, at, end)) is not None:
        at = match.start() + 1
        if match.start() < last or not _stands_alone(text, match.start(), match.end()):
            continue
        score = _score(match)
        if score < 0.5 and speaks_of("US_SSN", text, *match.span()):
            score = 0.85
        elif score >= 0.5 and speaks_of("US_SSN", text, *match.span()):
            score = 0.95
        if score >= 0.4:
            last = match.end()
            yield Finding("US_SSN", match.start(), match.end(), score)


def _score(match: re.Match[str]) -> float:
    strong = _STRONG.fullmatch(match.group())
    area, group, serial = match.groups()
    possible = area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"
    if strong is None or not possible:
        return 0.1
    return 0.5 if len(set(area + group + serial)) > 1 else 0.1


def _stands_alone(text: str, start: int, end: int) -> bool:
    """No letter or digit touches it, and it is not the middle of a longer dashed or dotted number."""
    if start and (text[start - 1].isalnum() or (text[start - 1] in "-." and start > 1 and text[start - 2].isalnum())):
        return False
    if end < len(text) and text[end].isalnum():
        return False
    return not (end + 1 < len(text) and text[end] in "-." and text[end + 1].isdigit())
