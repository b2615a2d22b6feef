"""Ages: the number in "42 years old", "aged 42", "age: 42", "a 42-year-old"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from services.redaction.policy.model import Finding

ENTITY = "AGE"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_WORDS = rf"(?:(?:{_TENS})(?:[ -](?:{_ONES}))?|{_TEENS}|{_ONES})"
_UNIT = r"[ -]?(?:(?:years?|yrs?|months?|mos?)[ -](?:old|of[ -]age)\b|y/?o\b|y\.o\.)"
_AFTER = re.compile(rf"(?<![\w.,/\-])([0-9]{{1,3}}){_UNIT}", re.IGNORECASE)
_AFTER_WORDS = re.compile(rf"\b({_WORDS}){_UNIT}", re.IGNORECASE)
_BEFORE = re.compile(
    r"\b(?:aged?|age (?:is|of)|turn(?:s|ed|ing)|at the age of|(?:I am|I'm|I’m|he is|she is|he's|she's)(?! not))"
    r"(?P<mark>[ \t]?[:=]?[ \t]?)(?P<age>[0-9]{1,3})(?![\w%]|[.,:/\-][0-9])"
    r"(?P<unit>(?=[ \t]*(?:[.,;!?)\n]|$|and\b|years|yrs|now\b|(?:last|this|next|in|on|today|yesterday)\b)))?",
    re.IGNORECASE,
)
_SAYS_AGE = re.compile(r"age", re.IGNORECASE)


def find_ages(text: str, gates: Collection[str]) -> Iterator[Finding]:
    """Yield the ages written in digits; the caller has made sure that the text has a digit at all."""
    for match in _AFTER.finditer(text) if "age after" in gates else ():
        if int(match[1]) <= 130:
            yield Finding(ENTITY, *match.span(1), 0.8)
    for match in _BEFORE.finditer(text) if "age before" in gates else ():
        if int(match["age"]) > 130:
            continue
        # "I am 5 minutes late" is no age: without the word itself, the sentence has to end or go on like one.
        if _SAYS_AGE.match(match.group()) or "age" in match.group().lower():
            yield Finding(ENTITY, *match.span("age"), 0.7)
        elif match["unit"] is not None and 5 <= int(match["age"]) <= 110:
            yield Finding(ENTITY, *match.span("age"), 0.5)


def find_spelled_ages(text: str) -> Iterator[Finding]:
    """Yield the ages written in words."""
    for match in _AFTER_WORDS.finditer(text):
        yield Finding(ENTITY, *match.span(1), 0.7)
