"""What is made of a model's names: which kinds count, what is surely none, and mentions that it saw only once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from services.redaction.policy.model import LITERAL, Finding, Rules, Scan
from services.redaction.policy.resolve import resolve

# What models call the kinds, and what they are called here.
ENTITY_OF = {
    "PER": "PERSON",
    "PERSON": "PERSON",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "FAC": "LOCATION",
    "LOCATION": "LOCATION",
    "ORG": "ORGANIZATION",
    "ORGANIZATION": "ORGANIZATION",
    "NORP": "NRP",
}
# Words for numbers and papers, in capitals before a value: nobody's name, whatever a model thinks.
_NUMBERED = (
    "IBAN BIC SSN NHS DOB ID IP MAC VAT VIN PIN CVV CVC ITIN NPI TIN PAN API URL URI UUID JSON XML SQL HTTP HTTPS TCP "
    "UDP CSV PDF FAX TEL SKU IMEI SWIFT OTP"
)
_NO_NAMES = frozenset(_NUMBERED.split())
_MOST_DIGITS = 4
_LETTERS = re.compile(r"[^\W\d_]")
# A part of a name is looked for elsewhere in the text from this length on.
_LEAST_PART = 3
_MOST_NAMES = 200
_LITTLE = frozenset(
    [
        "van",
        "von",
        "der",
        "den",
        "del",
        "dos",
        "bin",
        "ibn",
        "the",
        "and",
        "for",
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "jr",
        "sr",
    ]
)


def refine(text: str, found: Iterable[Finding]) -> list[Finding]:
    """Drops what has no letter, and adds further mentions of the same people."""
    kept = [finding for finding in found if _may_be_name(text[finding.start : finding.end])]
    return sorted([*kept, *_mentions(text, kept)], key=lambda finding: finding.start)


def _may_be_name(name: str) -> bool:
    if name in _NO_NAMES or _LETTERS.search(name) is None:
        return False
    # One word with several figures in it is a checksum or a number of an article.
    return " " in name or sum(map(str.isdigit, name)) < _MOST_DIGITS


def with_names(found: Scan, names: Sequence[Finding], rules: Rules) -> Scan:
    """What patterns found, and the names that count: overlaps become one, and no character of either survives."""
    counted = [name for name in names if rules.accepts(name)]
    if not counted:
        return found
    joined = resolve([*found.findings, *counted], rules)
    return replace(found, findings=tuple(joined), lookalikes=sum(one.entity == LITERAL for one in joined))


def _mentions(text: str, found: Sequence[Finding]) -> list[Finding]:
    """Whole names, and capitalised parts of full names, where they stand again as words of their own."""
    sure: dict[str, float] = {}
    for finding in found:
        if finding.entity != "PERSON":
            continue
        name = text[finding.start : finding.end]
        parts = name.split()
        for part in (name, *(parts if len(parts) > 1 else ())):
            if len(part) >= _LEAST_PART and part[0].isupper() and part.lower() not in _LITTLE and part.isprintable():
                sure[part] = max(sure.get(part, 0.0), finding.score)
    if not sure or len(sure) > _MOST_NAMES:
        return []
    taken = {at for finding in found for at in range(finding.start, finding.end)}
    longest_first = sorted(sure, key=lambda name: (-len(name), name))
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
    return [
        Finding("PERSON", match.start(), match.end(), sure[match[0]])
        for match in pattern.finditer(text)
        if match.start() not in taken and match.end() - 1 not in taken
    ]
