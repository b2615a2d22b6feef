"""Calendar dates: by numbers in the usual orders, ISO with time, and with the English names of months."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.redaction.policy.context import speaks_of
from services.redaction.policy.model import Finding

_NUMERIC = re.compile(r"([0-9]{1,4})([/.\-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2}|[0-9])")
_MONTH_YEAR = re.compile(r"(0?[1-9]|1[0-2])/([0-9]{4}|[0-9]{2})")
_TIME = re.compile(
    r"[T ][0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?(?:Z|[+\-][0-2][0-9]:?[0-5][0-9])?(?![0-9])"
)
# The first letter is spelled in both cases so that the search can skip ahead on it.
_NAMES = (
    r"(?:[Jj](?i:an(?:uary)?|une?|uly?)|[Ff](?i:eb(?:ruary)?)|[Mm](?i:ar(?:ch)?|ay)|[Aa](?i:pr(?:il)?|ug(?:ust)?)|"
    r"[Ss](?i:ept?(?:ember)?)|[Oo](?i:ct(?:ober)?)|[Nn](?i:ov(?:ember)?)|[Dd](?i:ec(?:ember)?))(?![A-Za-z])"
)
_SEPARATOR = r"(?:\.?,?[ \-/]{1,2}|\.)"
# Two figures are a year only after a mark that says so: "5 May 12 people came" is a day and a dozen.
_YEAR = rf"(?:{_SEPARATOR}(?:of )?([12][0-9]{{3}})(?![0-9])|(?:[\-./]|[ ]?')([0-9]{{2}})(?![0-9:]))?"
_DAY_FIRST = re.compile(rf"([0-9]{{1,2}})(?:st|nd|rd|th)?(?:[ \-./]{{1,2}})(?:of )?({_NAMES}){_YEAR}")
_MONTH_FIRST = re.compile(
    rf"[JjFfMmAaSsOoNnDd](?<![A-Za-z].)(?i:an|un|ul|eb|ar|ay|pr|ug|ep|ct|ov|ec)(?i:[a-z]{{0,6}}){_SEPARATOR}"
    rf"(?:the |of )?(?:([12][0-9]{{3}})(?![0-9])|([0-9]{{1,2}})(?:st|nd|rd|th)?(?![0-9:]){_YEAR})"
)
_NAME = re.compile(_NAMES)
# The day of the week before a date belongs to it.
_WEEKDAY = re.compile(
    r"\b(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?\.?,?[ ](?:the )?\Z", re.IGNORECASE
)
_LONGEST_WEEKDAY = 16
_AMBIGUOUS = frozenset({"may", "mar", "march"})


def find_dates(text: str, start: int, end: int) -> Iterator[Finding]:
    """Yield dates by numbers in a stretch of digits and separators."""
    at = start
    while (match := _NUMERIC.search(text, at, end)) is not None:
        score = _numeric_score(match) if _stands_alone(text, *match.span()) else 0.0
        stop = match.end()
        if score and len(match[1]) == 4 and (time := _TIME.match(text, stop)) is not None:
            stop, score = time.end(), 0.8
        if 0.0 < score < 0.4 and speaks_of("DATE_TIME", text, match.start(), stop):
            score = 0.6
        if score >= 0.4:
            yield Finding("DATE_TIME", match.start(), stop, score)
            at = stop
        else:
            at = match.start() + len(match[1])
    for match in _MONTH_YEAR.finditer(text, start, end):
        if _stands_alone(text, *match.span()) and speaks_of("DATE_TIME", text, *match.span()):
            yield Finding("DATE_TIME", match.start(), match.end(), 0.5)


def find_named_dates(text: str) -> Iterator[Finding]:
    """Yield dates that name their month; the caller has made sure that the text has a digit at all."""
    for match in _DAY_FIRST.finditer(text):
        if _touches(text, match.start()) or not 1 <= int(match[1]) <= 31:
            continue
        if match[3] or match[4] or not _is_plain_word(match[2]):
            yield Finding("DATE_TIME", _with_weekday(text, match.start()), match.end(), 0.6)
    for match in _MONTH_FIRST.finditer(text):
        name = _NAME.match(text, match.start(), match.end())
        if name is None or (match[2] and not 1 <= int(match[2]) <= 31):
            continue
        if match[1] or match[3] or match[4] or not _is_plain_word(name.group()):
            yield Finding("DATE_TIME", _with_weekday(text, match.start()), match.end(), 0.6)


def _with_weekday(text: str, start: int) -> int:
    low = max(0, start - _LONGEST_WEEKDAY)
    said = _WEEKDAY.search(text[low:start])
    return low + said.start() if said is not None else start


def _is_plain_word(name: str) -> bool:
    """Lower-case "may 5" is usually a verb and "march 10" a walk; with a capital they are months."""
    return name in _AMBIGUOUS


def _numeric_score(match: re.Match[str]) -> float:
    first, separator, second, third = match.groups()
    if len(first) == 4:
        return 0.6 if len(third) < 4 and _month_day(second, third) else 0.0
    if len(first) > 2 or len(third) == 1:
        return 0.0
    if not (_month_day(first, second) or _month_day(second, first)):
        return 0.0
    if len(third) == 4:
        return 0.6
    # Two-digit years: "3.11.12" is more often a version, "3-11-12" a range.
    if separator == "/" or (separator == "." and len(first) == len(second) == 2):
        return 0.6
    return 0.2


def _month_day(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _touches(text: str, start: int) -> bool:
    return start > 0 and (text[start - 1].isalnum() or text[start - 1] in "./")


def _stands_alone(text: str, start: int, end: int) -> bool:
    if start and (text[start - 1].isalnum() or (text[start - 1] in "/.-" and start > 1 and text[start - 2].isalnum())):
        return False
    if end < len(text) and (text[end].isdigit() or text[end] == "_"):
        return False
    return not (end + 1 < len(text) and text[end] in "/.-" and text[end + 1].isdigit())
