"""What the linear model may decide: its thresholds, by source, length and language, at stated rates of false positives.

Nobody sets a threshold as a number: a budget is chosen by name, and each budget is a rate that was measured on harmless
texts which the model that was measured had not learned from.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.guardrail.policy import scorer
from services.guardrail.policy.model import PolicyError, Source
from services.guardrail.policy.scorer import Model, Score

RULE = "model.ngrams"
CATEGORY = "model"
SUSPECTED = 0.4  # a score between the own budget and the widest: only counts together with rules
_ENGLISH = frozenset(
    {
        "the", "and", "of", "to", "a", "in", "is", "you", "that", "it", "for", "i", "on", "with", "are",
        "this", "be", "as", "my", "have", "not", "your", "what", "can", "me", "do", "how", "we", "if", "or",
        "an", "from"
    }
)  # fmt: skip
_SAMPLE = 2_000
_OTHER_SCRIPTS = 0.25
_LENGTHS = ((300, "short"), (1_500, "medium"))


class Budget(StrEnum):
    """How many harmless texts may be stopped by the model, of a thousand."""

    LEAST = "least"
    LOW = "low"
    USUAL = "usual"
    WIDE = "wide"

    @property
    def rate(self) -> float:
        """The stated rate of false positives."""
        return {"least": 0.001, "low": 0.005, "usual": 0.01, "wide": 0.05}[self.value]


@dataclass(frozen=True, slots=True)
class Cell:
    """Thresholds by budget for one kind of text, and how many harmless texts they were measured on."""

    texts: int
    at: Mapping[Budget, float]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The bundle."""

    version: str
    cells: Mapping[tuple[str, str, str], Cell]

    def of(self, source: Source, text: str) -> Cell:
        """The cell of a folded text."""
        return self.cells[kind_of_source(source), kind_of_length(len(text)), kind_of_language(text)]


@dataclass(frozen=True, slots=True)
class Learned:
    """The model with its thresholds."""

    model: Model
    thresholds: Thresholds

    @property
    def version(self) -> str:
        """What decided."""
        return f"{self.model.version}/{self.thresholds.version}"

    def weigh(self, text: str, cell: Cell, budget: Budget) -> tuple[float, Score]:
        """The weight of a folded text as a finding: 1 beyond the budget, less for what is only suspected."""
        found = scorer.score(self.model, text)
        if found.value >= cell.at[budget]:
            return 1.0, found
        return (SUSPECTED if found.value >= cell.at[Budget.WIDE] else 0.0), found


def kind_of_source(source: Source) -> str:
    """A user's own words, or a document of somebody else's."""
    return "user" if source is Source.USER else "document"


def kind_of_length(length: int) -> str:
    """Short, medium or long."""
    return next((name for most, name in _LENGTHS if length < most), "long")


def kind_of_language(text: str) -> str:
    """English, another language in Latin letters, or another script; told by frequent words and letters."""
    sample = text[:_SAMPLE]
    if not sample.isascii():
        letters = [character for character in sample if character.isalpha()]
        if sum(character > "\u024f" for character in letters) > _OTHER_SCRIPTS * max(len(letters), 1):
            return "script"
    words = sample.split()
    return "english" if sum(map(_ENGLISH.__contains__, words)) >= 0.12 * len(words) else "latin"


def parse(text: str) -> Thresholds:
    """Reads the bundle; raises PolicyError when it is not whole."""
    try:
        data: Any = json.loads(text)
        cells = {
            (str(cell["source"]), str(cell["length"]), str(cell["language"])): Cell(
                int(cell["texts"]), {budget: float(cell["at"][budget.value]) for budget in Budget}
            )
            for cell in data["cells"]
        }
        version = str(data["version"])
    except (ValueError, KeyError, TypeError):
        raise PolicyError("model: the thresholds cannot be read") from None
    wanted = set(itertools.product(("user", "document"), ("short", "medium", "long"), ("english", "latin", "script")))
    if set(cells) != wanted or any(not _falls(cell) for cell in cells.values()):
        raise PolicyError("model: the thresholds are not whole")
    return Thresholds(version, cells)


def _falls(cell: Cell) -> bool:
    """A wider budget never has a higher threshold."""
    values = [cell.at[budget] for budget in Budget]
    return values == sorted(values, reverse=True)
