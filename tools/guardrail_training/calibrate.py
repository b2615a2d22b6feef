"""Thresholds for stated rates of false positives, from harmless texts that the measured model had not learned from.

Each text is scored twice: by a model without its whole family, and by one without a fifth of all texts. Both scores
count, as texts in use are partly of kinds that were learned from, partly not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.guardrail.policy.fold import fold
from services.guardrail.policy.learned import Budget, kind_of_language, kind_of_length, kind_of_source
from services.guardrail.policy.model import Source
from services.guardrail.policy.ngrams import Grams, grams_of
from services.guardrail.policy.scorer import Model, logits, spans
from tools.guardrail_training.data import SEED, Row

LEAST_TEXTS = 300  # fewer harmless texts of a kind say too little about it: it then takes the threshold of all kinds
FOLDS = 5
_LENGTHS = ("short", "medium", "long")
_LANGUAGES = ("english", "latin", "script")
Fit = Callable[[npt.NDArray[np.bool_]], Model]


@dataclass(frozen=True, slots=True)
class Held:
    """Scores by a model without the family, by one without the fold, the kind of each text, and recall by family."""

    without_family: npt.NDArray[np.float64]
    without_fold: npt.NDArray[np.float64]
    kinds: list[tuple[str, str, str]]
    families: dict[str, dict[str, float | int]]


def held_out(rows: Sequence[Row], fit: Fit) -> Held:
    """Every family is left out once, and every fold."""
    folded = [fold(row.text) for row in rows]
    kinds = [
        (kind_of_source(Source(row.source)), kind_of_length(len(text)), kind_of_language(text))
        for row, text in zip(rows, folded, strict=True)
    ]
    grams: list[Grams] = [grams_of(text) for text in folded]

    def scored(model: Model, numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        return np.array([logits(model, grams[n], spans(grams[n].length)).max() for n in numbers])

    families = np.array([row.family for row in rows])
    attacks = np.array([row.attack for row in rows])
    folds = np.random.default_rng(SEED).integers(0, FOLDS, len(rows))
    by_family, by_fold = np.zeros(len(rows)), np.zeros(len(rows))
    report = {}
    for family in sorted(set(families)):
        mine = families == family
        aside = ~mine & ~attacks & (folds == 0)  # harmless texts of the others, to set the threshold on
        model = fit(~mine & ~aside)
        by_family[mine] = scored(model, np.flatnonzero(mine))
        report[family] = _family(by_family[mine], attacks[mine], scored(model, np.flatnonzero(aside)))
    for number in range(FOLDS):
        mine = folds == number
        by_fold[mine] = scored(fit(~mine), np.flatnonzero(mine))
    return Held(by_family, by_fold, kinds, report)


def _family(
    scores: npt.NDArray[np.float64], attacks: npt.NDArray[np.bool_], aside: npt.NDArray[np.float64]
) -> dict[str, float | int]:
    """Recall at 1 % false positives on the harmless texts of all other families."""
    beyond = scores > np.quantile(aside, 0.99)
    row: dict[str, float | int] = {}
    if attacks.any():
        row |= {"attacks": int(attacks.sum()), "recall": round(float(beyond[attacks].mean()), 4)}
    if (~attacks).any():
        row |= {"harmless": int((~attacks).sum()), "stopped": round(float(beyond[~attacks].mean()), 4)}
    return row


def bundle(rows: Sequence[Row], held: Held, version: str) -> str:
    """The shipped thresholds as JSON."""
    harmless = np.array([not row.attack for row in rows])
    cells: list[dict[str, Any]] = []
    for source in ("user", "document"):
        whole = np.array([kind[0] == source for kind in held.kinds]) & harmless
        for length in _LENGTHS:
            for language in _LANGUAGES:
                own = np.array([kind == (source, length, language) for kind in held.kinds]) & harmless
                used = own if own.sum() >= LEAST_TEXTS else whole
                scores = np.concatenate((held.without_family[used], held.without_fold[used]))
                at = {
                    budget.value: round(float(np.quantile(scores, 1 - budget.rate, method="higher")), 4)
                    for budget in Budget
                }
                count = int(own.sum())
                cells.append({"source": source, "length": length, "language": language, "texts": count, "at": at})
    rates = {budget.value: budget.rate for budget in Budget}
    return json.dumps({"version": version, "rates": rates, "cells": cells}, indent=1) + "\n"
