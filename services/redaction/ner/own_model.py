"""The model that comes along, as findings of this service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.redaction.ner.tagger import Tagger
from services.redaction.policy.model import Finding
from services.redaction.policy.names import ENTITY_OF


class OwnModel:
    """Loads the weights once."""

    def __init__(self, weights: Path) -> None:
        self._tagger = Tagger.load(weights)

    def find_all(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Names of each text, in order."""
        return [
            [Finding(ENTITY_OF[one.kind], one.start, one.end, one.sure) for one in found]
            for found in self._tagger.find_all(texts)
        ]
