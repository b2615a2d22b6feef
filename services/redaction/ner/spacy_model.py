"""A model of spaCy that the user has installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from services.redaction.policy.model import Finding
from services.redaction.policy.names import ENTITY_OF

# spaCy's models give no confidence; this is the figure that Presidio takes for them.
_SCORE = 0.85
_NOT_NEEDED = ("parser", "lemmatizer", "attribute_ruler", "senter")


def installed(name: str) -> bool:
    """True when a package of that name is there."""
    try:
        return name.isidentifier() and importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


class SpacyModel:
    """Loads the package once, without what names do not need."""

    def __init__(self, name: str) -> None:
        import spacy  # noqa: PLC0415 - heavy, and only in a worker that uses it

        self._nlp: Any = spacy.load(name, exclude=list(_NOT_NEEDED))

    def find_all(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Names of each text, in order."""
        return [
            [
                Finding(ENTITY_OF[one.label_], one.start_char, one.end_char, _SCORE)
                for one in read.ents
                if one.label_ in ENTITY_OF
            ]
            for read in self._nlp.pipe(texts)
        ]
