"""The model at work: scores from a table, the best row of labels by Viterbi, over all rows of a text at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.redaction.ner.features import COLUMNS, EDGE, NOTHING, Ids, Reader
from services.redaction.ner.tokens import Tokens, tokens_of

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")
Floats = NDArray[np.float32]
# Words that are scored at once: bounds the memory of a long text.
_AT_ONCE = 2048
_NEVER = -1e4
# More of it where no capital letter tells a name.
_SMALL_CAUTION = 1.0
# Bytes of a row of the table.
_WIDTH = 8


@dataclass(frozen=True, slots=True)
class Span:
    """A name, `start` to `end` in code points; `kind` is PER, LOC or ORG; `sure` is 0.5 to 1."""

    kind: str
    start: int
    end: int
    sure: float


class WeightsError(Exception):
    """The file of weights is missing or not one of ours."""


class Tagger:
    """A linear-chain model over hashed features. Nothing in it changes between texts but a memory of words."""

    def __init__(self, table: NDArray[np.int8], scale: float, steps: Floats, reader: Reader, caution: float) -> None:
        # One row of the table is eight bytes, read as one number: what takes time is fetching rows from memory.
        self._table = table.view(np.int64).reshape(-1)
        self._scale = np.float32(scale)
        self.steps = np.where(_allowed(), steps, np.float32(_NEVER)).astype(np.float32)
        self.reader = reader
        self._edge = np.full((EDGE, COLUMNS), NOTHING, dtype=np.uint32)
        # Taken from the score of "no name": a name missed costs more than a word too many.
        self.caution = caution

    @classmethod
    def load(cls, path: Path) -> Tagger:
        """Reads the weights; raises WeightsError."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays: dict[str, Any] = {name: file[name] for name in file.files}
            size = 1 << int(arrays["bits"])
            table = np.zeros((size, _WIDTH), dtype=np.int8)
            table[np.cumsum(arrays["rows"].astype(np.int64)), : len(LABELS)] = arrays["values"]
            lists = dict(zip(arrays["list_keys"].tolist(), arrays["list_values"].tolist(), strict=True))
            common = dict(zip(arrays["common_keys"].tolist(), arrays["common_values"].tolist(), strict=True))
            reader = Reader(lists, common, int(arrays["bits"]))
            return cls(table, float(arrays["scale"]), arrays["steps"], reader, float(arrays["caution"]))
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise WeightsError(type(error).__name__) from None

    def find(self, text: str) -> list[Span]:
        """Names in order, disjoint."""
        return self.find_all([text])[0]

    def find_all(self, texts: Sequence[str]) -> list[list[Span]]:
        """The same for many texts, each as if it stood alone: what stands between them is what stands at an edge."""
        read = [tokens_of(text) for text in texts]
        pieces: list[Ids] = []
        rows: list[tuple[int, int]] = []
        firsts, at = [], 0
        for tokens in read:
            firsts.append(at)
            rows.extend((first + at, last + at) for first, last in tokens.rows)
            pieces += [self.reader.columns(tokens.words), self._edge]
            at += len(tokens.words) + EDGE
        if not rows:
            return [[] for _ in texts]
        scores = self._scores(np.concatenate(pieces))
        for text, tokens, first in zip(texts, read, firsts, strict=True):
            caution = self.caution + (_SMALL_CAUTION if text.islower() else 0.0)
            scores[first : first + len(tokens.words), 0] -= np.float32(caution)
        best = viterbi(scores, rows, self.steps)
        ahead = scores[np.arange(len(best)), best] - scores[:, 0]
        ends = [(first, first + len(tokens.words)) for tokens, first in zip(read, firsts, strict=True)]
        return [_spans(one, best[a:b], ahead[a:b]) for one, (a, b) in zip(read, ends, strict=True)]

    def _scores(self, columns: Ids) -> Floats:
        count = len(columns)
        scores = np.empty((count, len(LABELS)), dtype=np.float32)
        for first in range(0, count, _AT_ONCE):
            last = min(count, first + _AT_ONCE)
            low, high = max(0, first - EDGE), min(count, last + EDGE)
            ids = self.reader.features(columns[low:high])[first - low : last - low]
            rows = np.take(self._table, ids).view(np.int8).reshape(last - first, -1, _WIDTH)
            scores[first:last] = rows.sum(axis=1, dtype=np.int16)[:, : len(LABELS)]
        scores *= self._scale
        return scores


def _allowed() -> NDArray[np.bool_]:
    """An inside label follows only its own kind."""
    return np.array([[b[0] != "I" or a[1:] == b[1:] for b in LABELS] for a in LABELS])


def viterbi(scores: Floats, rows: list[tuple[int, int]], steps: Floats) -> NDArray[np.int64]:
    """The best labels of every row; rows stand side by side, so that a text costs as many steps as its longest row."""
    lengths = np.array([last - first for first, last in rows])
    order = np.argsort(-lengths, kind="stable")
    firsts = np.array([first for first, _ in rows])[order]
    lengths = lengths[order]
    width, kinds = len(rows), scores.shape[1]
    longest = int(lengths[0])
    back = np.zeros((longest, width, kinds), dtype=np.int8)
    inside = np.array([label[0] == "I" for label in LABELS])
    state = scores[firsts] + np.where(inside, np.float32(_NEVER), np.float32(0))
    alive = [int(np.searchsorted(-lengths, -at, side="left")) for at in range(longest)]
    for at in range(1, longest):
        n = alive[at]
        paths = state[:n, :, None] + steps
        back[at, :n] = paths.argmax(axis=1)
        state[:n] = paths.max(axis=1) + scores[firsts[:n] + at]
    best = np.zeros(len(scores), dtype=np.int64)
    now = state.argmax(axis=1)
    for at in range(longest - 1, -1, -1):
        n = alive[at] if at else width
        best[firsts[:n] + at] = now[:n]
        now[:n] = back[at, np.arange(n), now[:n]]
    return best


def _spans(tokens: Tokens, labels: NDArray[np.int64], ahead: Floats) -> list[Span]:
    spans: list[Span] = []
    open_at = -1
    for at, label in enumerate([*labels.tolist(), 0]):
        name = LABELS[label]
        if open_at >= 0 and name[0] != "I":
            spans.append(_span(tokens, labels, ahead, open_at, at))
            open_at = -1
        if name[0] == "B":
            open_at = at
    return spans


def _span(tokens: Tokens, labels: NDArray[np.int64], ahead: Floats, first: int, after: int) -> Span:
    margin = float(ahead[first:after].mean())
    sure = round(float(1 / (1 + np.exp(-max(margin, 0.0) / 4))), 3)
    return Span(LABELS[labels[first]][2:], tokens.starts[first], tokens.ends[after - 1], sure)
