"""Redaction by patterns beside Presidio's AnalyzerEngine (blank tokenizer, context on, same entities), in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    DateRecognizer,
    EmailRecognizer,
    PhoneRecognizer,
    UsSsnRecognizer,
)

from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.bootstrap import load_rules
from services.redaction.policy.model import OWN_ENTITIES
from services.redaction.policy.scan import scan
from services.redaction.settings import RedactionSettings

Case = dict[str, Any]
_PROSE = (
    "We would like to know how the new garden tools compare with the older ones, and whether the people who bought "
    "them last season were content. Some wrote that the handles feel lighter; others prefer the wooden kind. "
)
_SHORT = "My SSN is 123-45-6789 and credit card is 4532-1234-5678-9010, write to jane.doe@example.com"
_DENSE = (
    "Jane Roe, jane.roe@example.com, (415) 555-2671, born 03/15/1980, SSN 219-09-9999, card 4532 0151 1283 0366; "
    "call her office at +44 20 7946 0958 before January 5, 2024. "
)


async def run(small: bool) -> list[Case]:
    """The cases, each with `ratio_to_presidio`: how many times faster the median is."""
    ours, theirs = _ours(), _theirs()
    texts = {
        "clean 2 kB": ((_PROSE * 12)[:2048], 200 if small else 5000, 10 if small else 200),
        "short with data": (_SHORT, 200 if small else 5000, 10 if small else 300),
        "dense 2 kB": ((_DENSE * 16)[:2048], 50 if small else 1000, 5 if small else 50),
        "log 100 kB": ("".join(_log_lines())[: 10_000 if small else 100_000], 3 if small else 20, 1 if small else 2),
    }
    return [_measure(name, text, n, m, ours, theirs) for name, (text, n, m) in texts.items()]


def _measure(name: str, text: str, n: int, m: int, ours: Callable[[str], Any], theirs: Callable[[str], Any]) -> Case:
    mine, other = _times(ours, text, n), _times(theirs, text, m)
    p50 = statistics.median(mine)
    return {
        "case": name,
        "n": n,
        "p50_ms": round(p50, 4),
        "p99_ms": round(sorted(mine)[min(n - 1, int(n * 0.99))], 4),
        "per_second": round(1000 / p50, 1),
        "ratio_to_presidio": round(statistics.median(other) / p50, 1),
        "presidio_p50_ms": round(statistics.median(other), 4),
    }


def _times(search: Callable[[str], Any], text: str, n: int) -> list[float]:
    search(text)
    times = []
    for _ in range(n):
        started = time.perf_counter()
        search(text)
        times.append((time.perf_counter() - started) * 1000)
    return times


def _ours() -> Callable[[str], Any]:
    book = load_rules(RedactionSettings.load({}), PresidioDetector().findable)
    rules = book.rules_for("bench", "")
    return lambda text: scan(text, rules, book.knows)


def _theirs() -> Callable[[str], Any]:
    # Presidio's e-mail check would otherwise fetch a list of domains over the network on its first call.
    setattr(tldextract, "extract", tldextract.TLDExtract(suffix_list_urls=()))  # noqa: B010 - it is typed as a function
    recognizers = [CreditCardRecognizer(), DateRecognizer(), EmailRecognizer(), PhoneRecognizer(), UsSsnRecognizer()]
    registry = RecognizerRegistry(recognizers=recognizers, supported_languages=["en"])
    engine = AnalyzerEngine(registry=registry, nlp_engine=_BlankTokenizer(), supported_languages=["en"])
    entities = sorted(OWN_ENTITIES)
    return lambda text: engine.analyze(text, language="en", entities=entities)


def _log_lines() -> Iterator[str]:
    for n in range(1400):
        yield (
            f"2024-01-{n % 28 + 1:02d} 10:23:{n % 60:02d}.{n % 1000:03d} INFO [worker-{n % 9}] 10.0.{n % 255}.1 "
            f"GET /v1/items/{n * 7919} 200 {n % 5000}\n"
        )


# Presidio calls these methods by keyword, so their unused arguments keep their names.
# ruff: noqa: ARG002
class _BlankTokenizer(NlpEngine):
    """spaCy's rule tokenizer alone; lower-cased words stand in for lemmas, so that Presidio's context works."""

    def __init__(self) -> None:
        self._nlp = spacy.blank("en")
        self._nlp.max_length = 10_000_000

    def load(self) -> None:
        """Nothing to load."""

    def is_loaded(self) -> bool:
        """Always."""
        return True

    def process_text(self, text: str, language: str) -> Any:
        """Tokens and lower-cased words."""
        doc = self._nlp(text)
        return NlpArtifacts(
            entities=[],
            tokens=doc,
            tokens_indices=[token.idx for token in doc],
            lemmas=[token.text.lower() for token in doc],
            nlp_engine=self,
            language=language,
        )

    def process_batch(
        self, texts: Any, language: str, batch_size: int = 1, n_process: int = 1, **kwargs: Any
    ) -> Iterator[tuple[str, Any]]:
        """One after the other."""
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        """By spaCy's list."""
        return bool(self._nlp.vocab[word].is_stop)

    def is_punct(self, word: str, language: str) -> bool:
        """By spaCy's rules."""
        return bool(self._nlp.vocab[word].is_punct)

    def get_supported_entities(self) -> list[str]:
        """None: there is no model."""
        return []

    def get_supported_languages(self) -> list[str]:
        """English rules."""
        return ["en"]
