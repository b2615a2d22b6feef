"""Words near a value that say what it is. Only asked about hits, so the cost follows the findings, not the text."""

from __future__ import annotations

import re
from collections.abc import Iterable

BEFORE = 48
AFTER = 32

_WORDS: dict[str, str] = {
    "CREDIT_CARD": r"credit|debit|cards?|visa|master ?card|amex|american express|discover|jcb|diners|maestro|"
    r"cc|pan|cvv|cvc",
    "US_SSN": r"ssns?|ss ?#|ss no|social[- ]sec(?:urity)?|social(?: (?:number|no|is)|(?=[:#]))|soc\.? ?sec|my social|"
    r"tax ?id|itin",
    "PHONE_NUMBER": r"(?:tele)?phones?|tel|cell(?:phone|ular)?|mobile|mob|call(?:ed|ing)?|dial|fax|whats ?app|sms|"
    r"text me|ring|hotline|reach (?:me|us|him|her|them)|contact(?: me| us| number| no)?|"
    r"(?:my|his|her|your|our) number|number is",
    "EMAIL_ADDRESS": r"e-?mails?|mail(?:to|box)?|address|contact|write to|inbox",
    "DATE_TIME": r"dates?|birth(?:day|date)?|born|dob|d\.o\.b|exp(?:iry|ires|iration|\.)?|"
    r"valid (?:thru|until|till|from)|due|issued|deadline|dated",
}
# Words that say a run of digits is a reference and not a telephone.
_REFERENCE = (
    r"order|invoice|ticket|case|id|ids|ref(?:erence)?|tracking|account|acct|sku|isbn|issn|serial|part|item|"
    r"transaction|txn|version|build|port|pid|line|row|page|commit|hash|timestamp|epoch|bytes|size|price|usd|eur|zip|"
    r"bug|pmid|doi|patent"
)


def compile_words(alternatives: str) -> re.Pattern[str]:
    """A pattern that finds any of the alternatives as whole words, whatever the case."""
    return re.compile(rf"(?<![a-z])(?:{alternatives})(?![a-z])", re.IGNORECASE)


def words_of(words: Iterable[str]) -> re.Pattern[str] | None:
    """The same for a list of plain words or phrases; None when there are none."""
    plain = sorted({re.escape(word.strip().lower()) for word in words if word.strip()}, key=len, reverse=True)
    return compile_words("|".join(plain)) if plain else None


_PATTERNS = {entity: compile_words(words) for entity, words in _WORDS.items()}
_REFERENCE_PATTERN = re.compile(
    rf"(?<![a-z])(?:{_REFERENCE})(?: ?(?:no|number|nr|is|was|code))?\.?[ :#=\-\"']{{0,4}}$|#$", re.IGNORECASE
)


def near(pattern: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """True when the pattern is found shortly before or after the stretch."""
    if pattern.search(text[max(0, start - BEFORE) : start]):
        return True
    return pattern.search(text[end : end + AFTER]) is not None


def speaks_of(entity: str, text: str, start: int, end: int) -> bool:
    """True when a word that belongs to the entity stands near the stretch."""
    return near(_PATTERNS[entity], text, start, end)


def is_reference(text: str, start: int) -> bool:
    """True when what stands right before says "this is an order, a ticket, a size", and not a telephone."""
    return _REFERENCE_PATTERN.search(text[max(0, start - 24) : start]) is not None
