"""The figures of one case, as every benchmark reports them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cli.latency import percentile

Row = dict[str, Any]


def row(case: str, seconds: Sequence[float], **more: Any) -> Row:
    """`per_second` is at one in flight."""
    milliseconds = [value * 1000 for value in seconds]
    total = sum(seconds)
    return {
        "case": case,
        "n": len(milliseconds),
        "p50_ms": round(percentile(milliseconds, 0.50), 4),
        "p99_ms": round(percentile(milliseconds, 0.99), 4),
        "per_second": round(len(milliseconds) / total, 1) if total else 0.0,
        **more,
    }
