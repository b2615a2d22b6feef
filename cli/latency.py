"""Percentiles of measured times."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile (`share` 0.5 = the median); 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and the largest, in milliseconds."""
    milliseconds = [value * 1000 for value in seconds]
    return {
        "p50": round(percentile(milliseconds, 0.50), 3),
        "p90": round(percentile(milliseconds, 0.90), 3),
        "p99": round(percentile(milliseconds, 0.99), 3),
        "max": round(max(milliseconds, default=0.0), 3),
    }
