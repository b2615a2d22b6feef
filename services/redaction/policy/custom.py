"""Recognizers that an organisation brings: a pattern in RE2's syntax, a score, words that speak of it.

RE2 matches in time that grows with the text and nothing else, and refuses what cannot be matched so (back references,
looking around). A pattern that could match nothing at all is refused as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    DetectionFailed,
    Finding,
    RulesError,
)
from services.redaction.policy.placeholders import is_entity_name

_KEYS = frozenset({"entity", "pattern", "score", "context"})
_LONGEST = 1000
_MOST_WORDS = 64
_LONGEST_WORD = 64
# Bytes that one compiled pattern may take: bounds what counted repetitions blow up to.
_MEMORY = 1 << 20
# Findings of one recognizer in one text. What matches more often than this is no type of value, and would cost memory.
MOST_FINDINGS = 20_000
# A pattern that matches nothing somewhere in these matches nothing anywhere.
_PROBES = ("", "a", " a-1 B_2\n.")


@dataclass(frozen=True, slots=True)
class Custom:
    """One recognizer, checked and compiled."""

    entity: str
    score: float
    pattern: Any
    words: Any

    def find(self, text: str) -> Iterator[Finding]:
        """Its findings, surer where one of its words stands near. Raises DetectionFailed when there are too many."""
        for count, match in enumerate(self.pattern.finditer(text)):
            if count >= MOST_FINDINGS:
                raise DetectionFailed("a recognizer of the organisation finds too much")
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
    return compiled(entity, entry.get("pattern"), entry.get("score", 0.5), entry.get("context", []))


def compiled(entity: str, pattern: object, score: object, context: object) -> Custom:
    """Everything but the name is checked; raises RulesError."""
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 < score <= 1:
        raise RulesError(f"recognizers: {entity} needs a score above 0, at most 1")
    if not isinstance(context, Sequence) or isinstance(context, str) or len(context) > _MOST_WORDS:
        raise RulesError(f"recognizers: context of {entity} is a list of at most {_MOST_WORDS} words")
    if not all(isinstance(word, str) and len(word.strip()) > 0 and len(word) <= _LONGEST_WORD for word in context):
        raise RulesError(f"recognizers: a word of the context of {entity} has 1 to {_LONGEST_WORD} characters")
    return Custom(entity, float(score), _pattern(pattern, entity), words_of(context))


def _pattern(written: object, entity: str) -> Any:
    if not isinstance(written, str) or not 0 < len(written) <= _LONGEST or "\0" in written:
        raise RulesError(f"recognizers: {entity} needs a pattern of at most {_LONGEST} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False  # it would log the pattern
    options.case_sensitive = False
    try:
        pattern = re2.compile(written, options)
    except re2.error:
        raise RulesError(f"recognizers: the pattern of {entity} is none that RE2 matches in linear time") from None
    if any(match.start() == match.end() for probe in _PROBES for match in pattern.finditer(probe)):
        raise RulesError(f"recognizers: the pattern of {entity} matches an empty text")
    return pattern
