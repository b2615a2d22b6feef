"""Presidio's own AnalyzerEngine, for comparisons: the same recognizers, a blank tokenizer, no network, no model."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    DateRecognizer,
    EmailRecognizer,
    PhoneRecognizer,
    UrlRecognizer,
    UsSsnRecognizer,
)

from services.redaction.policy.model import SUPERSEDED_ENTITIES


def superseded(entities: frozenset[str] = SUPERSEDED_ENTITIES) -> list[Any]:
    """The recognizers that ours stand in for."""
    every: list[Any] = [
        CreditCardRecognizer(),
        DateRecognizer(),
        EmailRecognizer(),
        PhoneRecognizer(),
        UrlRecognizer(),
        UsSsnRecognizer(),
    ]
    return [one for one in every if one.supported_entities[0] in entities]


def wrapped(entities: frozenset[str]) -> list[Any]:
    """Every pattern recognizer for these entities, whatever its country, set to read English."""
    made = []
    for name in predefined_recognizers.__all__:
        candidate: Any = getattr(predefined_recognizers, name)
        if inspect.isclass(candidate) and issubclass(candidate, PatternRecognizer):
            make: Any = candidate
            recognizer = make()
            recognizer.supported_language = "en"
            if recognizer.supported_entities[0] in entities:
                made.append(recognizer)
    return made


def engine(recognizers: Sequence[Any]) -> AnalyzerEngine:
    """An engine over these recognizers alone."""
    # Presidio's e-mail check would otherwise fetch a list of domains over the network on its first call.
    setattr(tldextract, "extract", tldextract.TLDExtract(suffix_list_urls=()))  # noqa: B010 - it is typed as a function
    registry = RecognizerRegistry(recognizers=list(recognizers), supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=BlankTokenizer(), supported_languages=["en"])


def outermost(spans: Iterable[tuple[str, int, int]]) -> set[tuple[str, int, int]]:
    """Spans that lie in no other one of their kind: Presidio drops most of the inner ones, depending on scores."""
    kept: set[tuple[str, int, int]] = set()
    for entity, start, end in sorted(set(spans), key=lambda span: (span[0], span[1], -span[2])):
        if not any(kind == entity and first <= start and end <= last for kind, first, last in kept):
            kept.add((entity, start, end))
    return kept


# Presidio calls these methods by keyword, so their unused arguments keep their names.
# ruff: noqa: ARG002
class BlankTokenizer(NlpEngine):
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
