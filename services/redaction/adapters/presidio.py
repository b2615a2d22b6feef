"""Presidio's pattern recognizers, used directly: no engine, no language model, no network.

Patterns, validators and context words are theirs, unchanged. The loop around them is ours, because Presidio's own skips
a pattern that times out (a leak), builds explanations nobody asked for, and looks for context only before a value.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import regex  # type: ignore[import-untyped]
from presidio_analyzer import PatternRecognizer

from services.redaction.adapters.registry import recognizers_of
from services.redaction.policy.context import near, words_of
from services.redaction.policy.model import CONTEXT_BOOST, CONTEXT_FLOOR, DetectionFailed, Finding
from services.redaction.policy.widening import readable


class _Silence(logging.Filter):
    """Presidio logs the text that it could not validate, and swallows timeouts into a log line."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets nothing through; remembers a timeout for the calling thread."""
        if "timed out" in str(record.msg):
            self.seen.timeout = True
        return False


_silence = _Silence()
logging.getLogger("presidio-analyzer").addFilter(_silence)


@dataclass(frozen=True)
class _Recognizer:
    recognizer: Any
    patterns: tuple[tuple[Any, float], ...]
    words: Any
    least: float | None


class PresidioDetector:
    """Finds the entities that Presidio has a pattern recognizer for and this service has none of its own."""

    def __init__(self, timeout_seconds: float = 2.0, registry: Path | None = None) -> None:
        """`registry` is a file in Presidio's own form; without it, every recognizer that Presidio brings.

        Raises RegistryError.
        """
        self._timeout = timeout_seconds
        self._made: dict[str, list[Any]] = recognizers_of(registry)
        self._ready: dict[str, list[_Recognizer]] = {}

    @property
    def findable(self) -> frozenset[str]:
        """Entities with a recognizer."""
        return frozenset(self._made)

    @property
    def thresholds(self) -> Mapping[str, float]:
        """From what confidence on an entity counts, where the registry says so; the lowest of its recognizers."""
        said = {entity: [_least(one, entity) for one in each] for entity, each in self._made.items()}
        return {entity: min(known) for entity, each in said.items() if (known := [s for s in each if s is not None])}

    def patterns(self) -> dict[str, list[str]]:
        """The patterns of each entity, where nothing else decides whether its recognizers have to look."""
        return {
            entity: [pattern.regex for one in each for pattern in one.patterns]
            for entity, each in self._made.items()
            if all(_is_plain(one) and one.patterns and not one.global_regex_flags & regex.VERBOSE for one in each)
            and all(readable(pattern.regex) for one in each for pattern in one.patterns)
        }

    def warm(self, wanted: frozenset[str]) -> None:
        """Compile the patterns of these entities ahead of the first text."""
        for entity in wanted & self.findable:
            self._prepared(entity)

    def find(self, text: str, wanted: frozenset[str]) -> Sequence[Finding]:
        """All findings; raises DetectionFailed when a pattern does not finish in time."""
        ends = time.monotonic() + self._timeout
        found: list[Finding] = []
        try:
            for entity in sorted(wanted & self.findable):
                for prepared in self._prepared(entity):
                    found.extend(self._run(entity, prepared, text, ends))
        except TimeoutError:
            raise DetectionFailed("a recognizer did not finish in time") from None
        return found

    def _prepared(self, entity: str) -> list[_Recognizer]:
        ready = self._ready.get(entity)
        if ready is None:
            ready = [_prepare(one, entity) for one in self._made[entity]]
            self._ready[entity] = ready
        return ready

    def _run(self, entity: str, prepared: _Recognizer, text: str, ends: float) -> Iterator[Finding]:
        hits = _own_loop(prepared.recognizer, text) if not prepared.patterns else _hits(prepared, text, ends)
        for start, end, score, validated in hits:
            near_word = not validated and prepared.words is not None and near(prepared.words, text, start, end)
            sure = min(1.0, max(score + CONTEXT_BOOST, CONTEXT_FLOOR)) if near_word else score
            if prepared.least is None or sure >= prepared.least:
                yield Finding(entity, start, end, sure, validated)


def _is_plain(recognizer: Any) -> bool:
    """True when its patterns are all that it goes by."""
    return bool(type(recognizer).analyze is PatternRecognizer.analyze)


def _least(recognizer: Any, entity: str) -> float | None:
    said = recognizer.score_thresholds or {}
    least = said.get(entity, said.get("default"))
    return None if least is None else float(least)


def _prepare(recognizer: Any, entity: str) -> _Recognizer:
    patterns: tuple[tuple[Any, float], ...] = ()
    if _is_plain(recognizer):
        flags = recognizer.global_regex_flags
        patterns = tuple((regex.compile(p.regex, flags), p.score) for p in recognizer.patterns)
    return _Recognizer(recognizer, patterns, words_of(recognizer.context or ()), _least(recognizer, entity))


def _hits(prepared: _Recognizer, text: str, ends: float) -> Iterator[tuple[int, int, float, bool]]:
    for pattern, score in prepared.patterns:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        for match in pattern.finditer(text, timeout=left):
            start, end = match.span()
            if start == end:
                continue
            piece = text[start:end]
            valid = prepared.recognizer.validate_result(piece)
            if valid is False or prepared.recognizer.invalidate_result(piece):
                continue
            yield start, end, 1.0 if valid else score, bool(valid)


def _own_loop(recognizer: Any, text: str) -> Iterator[tuple[int, int, float, bool]]:
    """For recognizers that bring a loop of their own (bank account numbers)."""
    _silence.seen.timeout = False
    results = recognizer.analyze(text, list(recognizer.supported_entities), None)
    if _silence.seen.timeout:
        raise TimeoutError
    for result in results:
        yield result.start, result.end, result.score, result.score >= 1.0
