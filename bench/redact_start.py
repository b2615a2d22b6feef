"""What a start pays for the pass that says which recognizers have to look: compiled, from its file, or by RE2."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.redaction.adapters.pattern_files import PatternFiles, make
from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.policy.engines import HyperscanEngine, Re2Engine, hyperscan
from services.redaction.policy.gates import Gates
from services.redaction.policy.scan import WORDS

_FEW = frozenset({"IP_ADDRESS"})
_MORE = _FEW | {
    "CRYPTO",
    "MAC_ADDRESS",
    "UK_NHS",
    "US_BANK_NUMBER",
    "US_DRIVER_LICENSE",
    "US_ITIN",
    "US_PASSPORT",
    "UUID",
}


def start(small: bool) -> dict[str, Any]:
    """Milliseconds for the words and the patterns of these entities; `p50_ms` is the way a prepared start takes."""
    wanted = _FEW if small else _MORE
    expressions = Gates(WORDS, PresidioDetector().patterns()).each_of([wanted])[-1]
    found: dict[str, Any] = {"re2_ms": _taken(lambda: Re2Engine(expressions))}
    taken = [float(found["re2_ms"])]
    if hyperscan is not None:
        found["compile_ms"] = _taken(lambda: HyperscanEngine(expressions))
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), expressions)
            files = PatternFiles(Path(folder))
            taken = sorted(_taken(lambda: files.engine(expressions)) for _ in range(5))
    p50 = taken[len(taken) // 2]
    case = {"case": f"start, patterns of {len(wanted)} further entities", "n": len(taken), "p50_ms": p50}
    return {**case, "p99_ms": taken[-1], "per_second": round(1000 / p50, 1), **found}


def _taken(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return round((time.perf_counter() - started) * 1000, 3)
