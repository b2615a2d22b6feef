"""Logistic regression over hashed n-grams: AdaGrad in small batches, one result for one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.guardrail.policy.fold import fold
from services.guardrail.policy.ngrams import BUCKETS, SHAPES, grams_of
from services.guardrail.policy.scorer import WINDOWS, Model, shapes_of, spans
from tools.guardrail_training.data import SEED, Row

EPOCHS = 6
BATCH = 256
RATE = 0.5
DECAY = 3e-5  # what holds for texts of other origins is many small weights, not a few large ones
EVEN = 0.5  # how much a family's size counts, 1 = as it is, 0 = every family weighs the same
_STEPS = 127
_MOST_STRETCHES = 4


@dataclass(frozen=True, slots=True)
class Table:
    """All stretches of all rows: their buckets one after the other, shapes, which row each is of."""

    buckets: npt.NDArray[np.uint32]
    edges: npt.NDArray[np.int64]
    shapes: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]


def table_of(rows: Sequence[Row]) -> Table:
    """Attacks count by their long stretches: a short one of a long attack may say nothing. Harmless ones by all."""
    buckets: list[npt.NDArray[np.uint32]] = []
    edges, owners, shapes = [0], [], []
    for number, row in enumerate(rows):
        grams = grams_of(fold(row.text))
        windows = spans(grams.length, WINDOWS[:1] if row.attack else WINDOWS)
        picked = windows[np.linspace(0, len(windows) - 1, min(_MOST_STRETCHES, len(windows))).astype(int)]
        for first, last in picked:
            inside = [
                found[slice(*np.searchsorted(starts, (first, last)))]
                for found, starts in zip(grams.buckets, grams.starts, strict=True)
            ]
            buckets += inside
            edges.append(edges[-1] + sum(map(len, inside)))
            owners.append(number)
        shapes.append(shapes_of(grams, picked))
    return Table(np.concatenate(buckets), np.array(edges), np.concatenate(shapes), np.array(owners))


def fit(table: Table, rows: Sequence[Row], used: npt.NDArray[np.bool_], version: str) -> Model:
    """The model from the rows that are `used`."""
    labels = np.array([row.attack for row in rows], np.float64)[table.rows]
    weights = _weights(table, rows, labels, used)
    chance = np.random.default_rng(SEED)
    values, squares = np.zeros(2 * BUCKETS), np.full(2 * BUCKETS, 1e-4)
    shapes, shape_squares = np.zeros(len(SHAPES) + 1), np.full(len(SHAPES) + 1, 1e-2)
    mean = np.zeros_like(values)
    mean_shapes = np.zeros_like(shapes)
    order = np.flatnonzero(used[table.rows])
    for epoch in range(EPOCHS):
        chance.shuffle(order)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            lengths = table.edges[batch + 1] - table.edges[batch]
            inside = np.concatenate([table.buckets[table.edges[i] : table.edges[i + 1]] for i in batch])
            owner = np.repeat(np.arange(len(batch)), lengths)
            norm = 1 / np.sqrt(np.maximum(lengths, 1))
            extra = np.column_stack((table.shapes[batch], np.ones(len(batch))))
            logit = np.bincount(owner, values[inside], len(batch)) * norm + extra @ shapes
            wrong = (1 / (1 + np.exp(-np.clip(logit, -30, 30))) - labels[batch]) * weights[batch] / len(batch)
            slope = np.bincount(inside, (wrong * norm)[owner], 2 * BUCKETS) + DECAY * values
            squares += slope * slope
            values -= RATE * slope / np.sqrt(squares)
            slope = wrong @ extra + 1e-4 * shapes
            shape_squares += slope * slope
            shapes -= 0.1 * slope / np.sqrt(shape_squares)
        if epoch >= EPOCHS // 2:  # the mean of the later rounds is steadier than the last one
            mean += values
            mean_shapes += shapes
    rounds = EPOCHS - EPOCHS // 2
    return _model(mean / rounds, mean_shapes / rounds, version)


def _weights(
    table: Table, rows: Sequence[Row], labels: npt.NDArray[np.float64], used: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Each row counts once, however many stretches it has; a large family counts for less than its size; attacks and
    harmless texts weigh the same together."""
    counts = np.bincount(table.rows, minlength=len(used))[table.rows]
    weights = used[table.rows] / counts
    families = np.array([row.family for row in rows])[table.rows]
    for label in (0.0, 1.0):
        mine = labels == label
        for family in set(families[mine]):
            one = mine & (families == family)
            weights[one] *= max(weights[one].sum(), 1e-9) ** (EVEN - 1)
        weights[mine] *= 0.5 / max(weights[mine].sum(), 1e-9)
    return np.asarray(weights * used[table.rows].sum())


def _model(values: npt.NDArray[np.float64], shapes: npt.NDArray[np.float64], version: str) -> Model:
    scale = float(np.abs(values).max()) / _STEPS
    return Model(
        version, np.round(values / scale).astype(np.int8), scale, np.round(shapes[:-1], 6), round(float(shapes[-1]), 6)
    )
