"""Titles, and the names that follow them: "Dr. Jane Roe" names a person whatever a model thinks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.redaction.policy.model import Finding

ENTITY = "TITLE"
PERSON = "PERSON"
_TITLE = (
    r"(?:Mrs|Mr|Ms|Miss|Mx|Dr|Prof(?:essor)?|Sir|Mme|Herr|Frau|Rev(?:erend)?|Capt(?:ain)?|Señora?|Hon|"
    r"MRS|MR|MS|DR|PROF)"
)
_NAME = r"(?:[^\W\d_a-zß-öø-ÿ][^\W\d_]*(?:['’\-][^\W\d_]+)*|[A-Z])"
_PERSON = re.compile(
    rf"(?<![\w.@])(?P<title>{_TITLE}\b\.?(?:[ ](?:Dr|Prof)\b\.?)?)(?:[ \t]{{1,2}})"
    rf"(?P<name>(?:{_NAME}\.?[ \t])?{_NAME}"
    rf"(?:[ \t](?:(?:van|von|de|del|della|da|der|den|di|bin|al|la|le)[ \t]){{0,2}}{_NAME}(?!\w)){{0,2}})"
)
_NOT_NAMES = frozenset(
    [
        "I",
        "The",
        "A",
        "An",
        "And",
        "Or",
        "But",
        "For",
        "To",
        "Of",
        "In",
        "On",
        "At",
        "By",
        "With",
        "From",
        "Is",
        "Are",
        "Was",
        "Were",
        "Has",
        "Have",
        "Had",
        "Can",
        "Could",
        "Will",
        "Would",
        "Please",
        "Thanks",
        "My",
        "Your",
        "His",
        "Her",
        "Our",
        "Their",
        "This",
        "That",
        "It",
        "He",
        "She",
        "We",
        "They",
        "You",
        "If",
        "When",
        "What",
        "Who",
        "How",
        "Not",
        "No",
        "Yes",
        "Office",
        "Road",
        "Street",
        "Drive",
    ]
)  # fmt: skip


def find_titles(text: str, wanted: frozenset[str]) -> Iterator[Finding]:
    """Yield titles that stand before a name, and the names."""
    for match in _PERSON.finditer(text):
        start, end = match.span("name")
        words = match["name"].split()
        kept = next((n for n, word in enumerate(words) if word.rstrip(".") in _NOT_NAMES), len(words))
        if not kept:
            continue
        if ENTITY in wanted:
            yield Finding(ENTITY, *match.span("title"), 0.6)
        if PERSON in wanted:
            if kept < len(words):
                end = start + len(match["name"]) - len(match["name"].split(None, kept)[kept])
                end = start + len(text[start:end].rstrip())
            yield Finding(PERSON, start, end, 0.6)
