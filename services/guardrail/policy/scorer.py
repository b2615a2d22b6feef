"""The linear model: what the n-grams of each stretch of a text weigh together, and which weigh most."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.guardrail.policy.model import PolicyError
from services.guardrail.policy.ngrams import BUCKETS, SHAPES, Grams, grams_of

# Stretches that overlap: a short order inside a long text would vanish in the mean of the whole.
WINDOWS = ((1_500, 1_125), (240, 120))
_WORST = -1e9
_THREE_WORDS = ("words", 3)


@dataclass(frozen=True, slots=True)
class Model:
    """Weights by bucket in steps of `scale`, of the shapes, and the constant."""

    version: str
    weights: npt.NDArray[np.int8]
    scale: float
    shapes: npt.NDArray[np.float64]
    bias: float


@dataclass(frozen=True, slots=True)
class Score:
    """The worst stretch of a text and what it came to (log odds, not calibrated)."""

    value: float
    start: int = 0
    end: int = 0


def load(data: bytes) -> Model:
    """Reads weights; raises PolicyError when they are not what this code can use."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            model = Model(
                str(stored["version"]),
                stored["weights"],
                float(stored["scale"]),
                stored["shapes"].astype(np.float64),
                float(stored["bias"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        raise PolicyError("model: the weights cannot be read") from None
    if model.weights.shape != (2 * BUCKETS,) or model.weights.dtype != np.int8 or len(model.shapes) != len(SHAPES):
        raise PolicyError("model: the weights are of another kind")
    return model


def spans(length: int, sizes: tuple[tuple[int, int], ...] = WINDOWS) -> npt.NDArray[np.int64]:
    """First and last of every stretch: the head and the tail always; a short text is one stretch."""
    found: list[tuple[int, int]] = []
    for size, step in sizes:
        if length <= size:
            found.append((0, length))
            continue
        found += [(start, start + size) for start in range(0, length - size, step)]
        found.append((length - size, length))
    return np.array(sorted(set(found)), np.int64)


def score(model: Model, text: str) -> Score:
    """The worst of all stretches of a folded text."""
    if not text.strip():
        return Score(_WORST)
    grams = grams_of(text)
    windows = spans(grams.length)
    values = logits(model, grams, windows)
    worst = int(np.argmax(values))
    return Score(float(values[worst]), int(windows[worst, 0]), int(windows[worst, 1]))


def logits(model: Model, grams: Grams, windows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Log odds of each stretch."""
    total = np.zeros(len(windows))
    count = np.zeros(len(windows))
    for buckets, starts in zip(grams.buckets, grams.starts, strict=True):
        running = np.zeros(len(buckets) + 1, np.int64)
        np.cumsum(model.weights[buckets], dtype=np.int64, out=running[1:])
        edges = np.searchsorted(starts, windows)
        total += running[edges[:, 1]] - running[edges[:, 0]]
        count += edges[:, 1] - edges[:, 0]
    total *= np.sqrt(_variety(grams, windows))
    shares = shapes_of(grams, windows)
    result: Any = model.bias + total * model.scale / np.sqrt(np.maximum(count, 1)) + shares @ model.shapes
    return np.asarray(result)


def _variety(grams: Grams, windows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The share of different rows of three words in long stretches: saying a thing again does not make it worse."""
    varied = np.ones(len(windows))
    if _THREE_WORDS not in grams.kinds:
        return varied
    place = grams.kinds.index(_THREE_WORDS)
    buckets, starts = grams.buckets[place], grams.starts[place]
    for number in np.flatnonzero(windows[:, 1] - windows[:, 0] > WINDOWS[-1][0]):
        first, last = np.searchsorted(starts, windows[number])
        if last > first:
            varied[number] = len(set(buckets[first:last].tolist())) / (last - first)
    return varied


def shapes_of(grams: Grams, windows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The share of each kind of character."""
    lengths = np.maximum(windows[:, 1] - windows[:, 0], 1)
    found: Any = (grams.shapes[:, windows[:, 1]] - grams.shapes[:, windows[:, 0]]) / lengths
    return np.asarray(found.T)


def top_grams(model: Model, text: str, found: Score, most: int = 5) -> list[tuple[str, float]]:
    """The words and rows of words of the stretch that weigh most, characters counted with the word they stand in."""
    piece = text[found.start : found.end]
    grams = grams_of(piece)
    heavy: dict[str, float] = {}
    for (kind, size), buckets, starts in zip(grams.kinds, grams.buckets, grams.starts, strict=True):
        weights = model.weights[buckets].astype(np.int64)
        for place in np.flatnonzero(weights > 0):
            shown = _shown(piece, int(starts[place]), size if kind == "words" else 1)
            heavy[shown] = heavy.get(shown, 0.0) + float(weights[place]) * model.scale
    return sorted(heavy.items(), key=lambda item: (-item[1], item[0]))[:most]


def _shown(piece: str, start: int, size: int) -> str:
    first = max(piece.rfind(" ", 0, start + 1), piece.rfind("\n", 0, start + 1)) + 1 if size == 1 else start
    return " ".join(piece[first : first + 120].split()[:size])
