"""How long answers usually are: a histogram of output tokens for each organisation and model, forgetting slowly.

In process: a new process reserves what is asked for until it has seen enough. Each settled answer teaches; what an
answer needs beyond the estimate is added while it streams, or is charged when it is settled.
"""

from __future__ import annotations

from collections import OrderedDict

_SMALLEST = 16
_STEPS_PER_DOUBLING = 4
_BUCKETS = 64  # up to 16 * 2 ** 16, a million tokens
_ENOUGH = 32
_MOST = 512  # answers in a histogram before all of it counts half
_KEPT = 4096
_PERCENT = 95


class Lengths:
    """One histogram, of fixed size."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts = [0.0] * _BUCKETS
        self._total = 0.0

    def note(self, tokens: int) -> None:
        """One more answer."""
        self._counts[_bucket(tokens)] += 1.0
        self._total += 1.0
        if self._total > _MOST:
            self._counts = [count / 2 for count in self._counts]
            self._total /= 2

    def usual(self) -> int | None:
        """A bound that 95 of 100 answers stay within; None before enough were seen."""
        if self._total < _ENOUGH:
            return None
        wanted, seen = self._total * _PERCENT / 100, 0.0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return _upper(bucket)
        return _upper(_BUCKETS - 1)


class Estimator:
    """The usual length by organisation and model; the least recently used are forgotten first."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._known: OrderedDict[tuple[str, str], Lengths] = OrderedDict()

    def note(self, organisation: str, model: str, tokens: int) -> None:
        """What an answer really used."""
        if not model or tokens <= 0:
            return
        key = (organisation, model)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Lengths()
            if len(self._known) > self._kept:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        found.note(tokens)

    def estimate(self, organisation: str, model: str, most: int) -> int:
        """What to reserve for an answer of at most `most` tokens; never more than that."""
        found = self._known.get((organisation, model))
        usual = found.usual() if found else None
        return most if usual is None else min(most, usual)


def _bucket(tokens: int) -> int:
    bucket = 0
    while bucket < _BUCKETS - 1 and tokens > _upper(bucket):
        bucket += 1
    return bucket


def _upper(bucket: int) -> int:
    return round(_SMALLEST * 2 ** (bucket / _STEPS_PER_DOUBLING))
