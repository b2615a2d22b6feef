"""Stretches already taken, asked about often: kept sorted, so that a dense text costs no more than its length."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from services.redaction.policy.model import Finding


class Taken:
    """A set of stretches that answers "does this overlap any" in logarithmic time."""

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        merged: list[tuple[int, int]] = []
        for start, end in sorted((f.start, f.end) for f in findings):
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self._spans = merged

    def overlaps(self, start: int, end: int) -> bool:
        """True when a taken stretch shares a character with this one."""
        at = bisect_left(self._spans, (end, -1))
        return at > 0 and self._spans[at - 1][1] > start

    def add(self, start: int, end: int) -> None:
        """Take a stretch that overlaps none."""
        insort(self._spans, (start, end))
