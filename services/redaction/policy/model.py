"""The words of the redaction core: what a finding is and what the rules ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

# Found by the patterns of this package, faster and in more spellings than by the recognizers they replace.
SUPERSEDED_ENTITIES = frozenset({"PHONE_NUMBER", "EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN", "DATE_TIME", "URL"})
# These, and what no recognizer there finds at all.
OWN_ENTITIES = SUPERSEDED_ENTITIES | {"SECRET", "STREET_ADDRESS", "TITLE", "AGE", "NRP"}
# Found only by a language model of names; without one they are reported as not searched.
MODEL_ENTITIES = frozenset({"PERSON", "LOCATION", "NRP", "ORGANIZATION"})
# Stands for a piece of input that merely looks like a placeholder.
LITERAL = "LITERAL"

# Added when a word that belongs to the entity stands near; the figure is Presidio's own.
CONTEXT_BOOST = 0.35
# What a weak hit with such a word is worth at least; also Presidio's.
CONTEXT_FLOOR = 0.4


class WhenLate(Enum):
    """What happens when names were not found in time: the first, and default, refuses."""

    CLOSED = "closed"
    PATTERNS_ONLY = "patterns_only"


class RulesError(ValueError):
    """The policy data breaks its own rules; the message names the key, never a value of a user."""


class DetectionFailed(Exception):
    """A detector could not finish. Whoever asked must refuse: an unfinished search is not a clean text."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A stretch of text, `start` to `end` in code points, that is personal data of kind `entity`."""

    entity: str
    start: int
    end: int
    score: float
    validated: bool = False


class OwnRecognizer(Protocol):
    """A recognizer that an organisation brings."""

    @property
    def entity(self) -> str:
        """What it finds."""
        ...

    def find(self, text: str) -> Iterator[Finding]:
        """Its findings in the folded text."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What to look for, from what confidence a finding counts, and into links to which hosts a value may go back."""

    entities: frozenset[str]
    threshold: float = 0.4
    thresholds: Mapping[str, float] = field(default_factory=dict)
    priority: tuple[str, ...] = ()
    version: str = "0"
    link_hosts: frozenset[str] = frozenset()
    tagged: bool = False
    recognizers: tuple[OwnRecognizer, ...] = ()
    names_late: WhenLate = WhenLate.CLOSED
    # Entities of the organisation's recognizers at any of its brands: their placeholders are known at all of them.
    own_entities: frozenset[str] = frozenset()

    def accepts(self, finding: Finding) -> bool:
        """True when the finding is wanted and sure enough."""
        least = self.thresholds.get(finding.entity, self.threshold)
        return finding.entity in self.entities and finding.score >= least

    def rank(self, entity: str) -> int:
        """Place of the entity in the tie-break order; smaller wins."""
        return self.priority.index(entity) if entity in self.priority else len(self.priority)


@dataclass(frozen=True, slots=True)
class Scan:
    """The outcome of a search in one text: disjoint findings by position, look-alikes of placeholders among them."""

    findings: tuple[Finding, ...]
    lookalikes: int = 0
    degraded: bool = False
