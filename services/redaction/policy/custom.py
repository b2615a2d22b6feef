"""Recognizers that an organisation brings: a pattern in RE2's syntax, a score, words that speak of it.

RE2 matches in time that grows with the text and nothing else, and refuses what cannot be matched so (back references,
looking around). A pattern that could match nothing at all is refused as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import re2  # type: ignore[import-untyped]

from services.redaction.policy.context import near, words_of
from services.redaction.policy.model import (
    CONTEXT_BOOST,
    CONTEXT_FLOOR,
    LITERAL,
    MODEL_ENTITIES,
    OWN_ENTITIES,
    Finding,
    RulesError,
)
from services.redaction.policy.placeholders import is_entity_name

_KEYS = frozenset({"entity", "pattern", "score", "context"})
_LONGEST = 1000
_MOST_WORDS = 64
# Bytes that one compiled pattern may take: bounds what counted repetitions blow up to.
_MEMORY = 1 << 20


@dataclass(frozen=True, slots=True)
class Custom:
    """One recognizer, checked and compiled."""

    entity: str
    score: float
    pattern: Any
    words: Any

    def find(self, text: str) -> Iterator[Finding]:
        """Its findings, surer where one of its words stands near."""
        for match in self.pattern.finditer(text):
            start, end = match.span()
            if start < end:
                said = self.words is not None and near(self.words, text, start, end)
                sure = min(1.0, max(self.score + CONTEXT_BOOST, CONTEXT_FLOOR)) if said else self.score
                yield Finding(self.entity, start, end, sure)


def custom_of(entry: Mapping[str, object], taken: frozenset[str]) -> Custom:
    """Checks one entry; raises RulesError, which never quotes the pattern. `taken` are names of others' entities."""
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise RulesError(f"recognizers: unknown key {unknown[0]}")
    entity = entry.get("entity")
    if not isinstance(entity, str) or not is_entity_name(entity) or entity == LITERAL:
        raise RulesError("recognizers: an entity is written in capitals and has no number at its end")
    if entity in taken | OWN_ENTITIES | MODEL_ENTITIES:
        raise RulesError(f"recognizers: {entity} has a recognizer already")
    score = entry.get("score", 0.5)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 < score <= 1:
        raise RulesError(f"recognizers: {entity} needs a score above 0, at most 1")
    context = entry.get("context", [])
    if not isinstance(context, list) or len(context) > _MOST_WORDS or not all(isinstance(w, str) for w in context):
        raise RulesError(f"recognizers: context of {entity} is a list of at most {_MOST_WORDS} words")
    return Custom(entity, float(score), _compiled(entry.get("pattern"), entity), words_of(context))


def _compiled(written: object, entity: str) -> Any:
    if not isinstance(written, str) or not 0 < len(written) <= _LONGEST:
        raise RulesError(f"recognizers: {entity} needs a pattern of at most {_LONGEST} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False  # it would log the pattern
    options.case_sensitive = False
    try:
        pattern = re2.compile(written, options)
    except re2.error:
        raise RulesError(f"recognizers: the pattern of {entity} is none that RE2 matches in linear time") from None
    if pattern.search("") is not None:
        raise RulesError(f"recognizers: the pattern of {entity} matches an empty text")
    return pattern
