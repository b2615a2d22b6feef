"""Learns the table of a linear-chain model: likelihood of whole rows, AdaGrad, words left out at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.redaction.ner.features import TEMPLATES, Ids
from services.redaction.ner.tagger import LABELS

Floats = NDArray[np.float32]
_KINDS = len(LABELS)
_RATE = 0.06
_LEFT_OUT = 0.3
_WORDS_AT_ONCE = 1500
_DECAY = 1e-5


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of words: numbers of features, labels, and where each row begins and ends."""

    ids: Ids
    labels: NDArray[np.int64]
    bounds: list[tuple[int, int]]


class Learner:
    """A table of weights, and steps between labels."""

    def __init__(self, bits: int, seed: int) -> None:
        self.table = np.zeros((1 << bits, _KINDS), dtype=np.float32)
        self.steps = np.zeros((_KINDS, _KINDS), dtype=np.float32)
        self._squares = np.full((1 << bits, _KINDS), 1e-4, dtype=np.float32)
        self._step_squares = np.full((_KINDS, _KINDS), 1e-2, dtype=np.float32)
        self._kept: list[tuple[Floats, Floats]] = []
        self._chance = np.random.default_rng(seed)

    def keep(self) -> None:
        """Remembers the weights as they are, for the average."""
        self._kept.append((self.table.copy(), self.steps.copy()))

    def average(self) -> None:
        """Takes the mean of what was kept: less chance in it than in any single one."""
        self.table = np.mean([table for table, _ in self._kept], axis=0, dtype=np.float32)
        self.steps = np.mean([steps for _, steps in self._kept], axis=0, dtype=np.float32)

    def epoch(self, rows: Rows, rate: float) -> float:
        """Once over everything; the mean loss of a word."""
        lengths = np.array([last - first for first, last in rows.bounds])
        # Rows of one length side by side, in an order of chance.
        order = np.lexsort((self._chance.random(len(lengths)), lengths))
        batches, held, words = [], [], 0
        for at in order.tolist():
            held.append(rows.bounds[at])
            words += int(lengths[at])
            if words >= _WORDS_AT_ONCE:
                batches.append(held)
                held, words = [], 0
        if held:
            batches.append(held)
        loss = 0.0
        for at in self._chance.permutation(len(batches)).tolist():
            loss += self._batch(rows, batches[at], rate * _RATE)
        return loss / len(rows.labels)

    def _batch(self, rows: Rows, bounds: list[tuple[int, int]], rate: float) -> float:
        longest = max(last - first for first, last in bounds)
        here = np.full((len(bounds), longest), -1, dtype=np.int64)
        for n, (first, last) in enumerate(bounds):
            here[n, : last - first] = np.arange(first, last)
        mask = here >= 0
        ids = rows.ids[here[mask]]
        ids = np.where(self._chance.random(ids.shape, dtype=np.float32) < _LEFT_OUT, np.uint32(0), ids)
        scores = np.zeros((*here.shape, _KINDS), dtype=np.float32)
        scores[mask] = np.take(self.table, ids, axis=0).sum(axis=1)
        gold = np.where(mask, rows.labels[here], 0)
        loss, slope, step_slope = _slopes(scores, self.steps, gold, mask)
        self._update(ids, slope[mask], step_slope, rate)
        return loss

    def _update(self, ids: Ids, slope: Floats, step_slope: Floats, rate: float) -> None:
        flat = ids.reshape(-1)
        order = np.argsort(flat, kind="stable")
        ordered = flat[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        summed = np.add.reduceat(slope[order // len(TEMPLATES)], starts, axis=0)
        at = ordered[starts]
        if at[0] == 0:
            at, summed = at[1:], summed[1:]
        summed = summed + _DECAY * len(slope) * self.table[at]
        self._squares[at] += summed * summed
        self.table[at] -= rate * summed / np.sqrt(self._squares[at])
        self._step_squares += step_slope * step_slope
        self.steps -= rate * step_slope / np.sqrt(self._step_squares)


def _slopes(
    scores: Floats, steps: Floats, gold: NDArray[np.int64], mask: NDArray[np.bool_]
) -> tuple[float, Floats, Floats]:
    """Loss and its slopes by forward and backward sums, in plain numbers scaled at each word."""
    width, longest, _ = scores.shape
    top = scores.max(axis=2, keepdims=True)
    weights = np.exp(scores - top)
    move = np.exp(steps)
    ahead = np.empty_like(scores)
    scale = np.ones((width, longest, 1), dtype=np.float32)
    state = weights[:, 0]
    for at in range(longest):
        if at:
            moved = (state @ move) * weights[:, at]
            state = np.where(mask[:, at, None], moved, state)
        total = state.sum(axis=1, keepdims=True)
        scale[:, at] = np.where(mask[:, at, None], total, 1)
        state = state / total
        ahead[:, at] = state
    behind = np.ones_like(scores)
    for at in range(longest - 2, -1, -1):
        after = (weights[:, at + 1] * behind[:, at + 1] / scale[:, at + 1]) @ move.T
        behind[:, at] = np.where(mask[:, at + 1, None], after, 1)
    shares = ahead * behind
    shares /= np.maximum(shares.sum(axis=2, keepdims=True), 1e-12)
    pairs = mask[:, 1:]
    right = (weights[:, 1:] * behind[:, 1:] / scale[:, 1:])[pairs]
    expected = (ahead[:, :-1][pairs].T @ right) * move
    right_labels, left_labels = gold[:, 1:][pairs], gold[:, :-1][pairs]
    seen = np.zeros_like(steps)
    np.add.at(seen, (left_labels, right_labels), 1)
    chosen = np.take_along_axis(scores, gold[:, :, None], axis=2)[:, :, 0]
    log_total = (np.log(scale[:, :, 0]) + top[:, :, 0])[mask].sum()
    loss = float(log_total - chosen[mask].sum() - (seen * steps).sum())
    slope = shares
    np.put_along_axis(slope, gold[:, :, None], np.take_along_axis(slope, gold[:, :, None], axis=2) - 1, axis=2)
    return loss, slope, (expected - seen).astype(np.float32)
