"""Runs every benchmark at full size and writes docs/figures.md: python -m tools.figures.

The file holds figures of the last full run and nothing that tells when or on whose machine: what is worth comparing are
the ratios, which were taken in one run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "figures.md"
COLUMNS = {
    "case": "case",
    "n": "calls",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "per_second": "per second",
    "ratio_to_echo": "x echo",
}
HEAD = """\
# Figures

Measured by `make prove`, all cases in one run on one machine with every process on it. `x echo` is the multiple of an
empty grpc.aio call over loopback, without TLS, in the same run: compare that, not the
milliseconds, with figures of your own.
"""


def measured() -> Sequence[Mapping[str, Any]]:
    """The rows of one full run; progress goes to the terminal."""
    command = [sys.executable, "-m", "bench", "all", "--json", "--full"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    cases: Sequence[Mapping[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])["cases"]
    return cases


def document(cases: Sequence[Mapping[str, Any]]) -> str:
    """The rows as one table per benchmark, extra facts in a last column."""
    parts = [HEAD]
    for bench in dict.fromkeys(str(case["bench"]) for case in cases):
        lines = [f"## {bench}", "", f"| {' | '.join(COLUMNS.values())} | more |", "|---|" + "--:|" * 5 + "---|"]
        for case in (case for case in cases if case["bench"] == bench):
            more = ", ".join(f"{k} {shown(v)}" for k, v in case.items() if k not in COLUMNS and k != "bench")
            lines.append("| " + " | ".join([*(shown(case.get(name, "")) for name in COLUMNS), more]) + " |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def shown(value: Any) -> str:
    """Three significant digits are what such figures are worth."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def main() -> int:
    """Measures and writes."""
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(document(measured()), encoding="utf-8")
    sys.stdout.write(f"wrote {OUT.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
