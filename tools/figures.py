"""Runs benchmarks at full size and writes docs/figures.md: `python -m tools.figures [NAME ...]`, without names all.

The file holds figures of the last full runs and nothing that tells when or on whose machine: what is worth comparing
are the ratios, which were taken in one run. Each table is written when it is measured; the others stay.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.harness import NAMES

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

Measured by `make prove`, every process of a benchmark on one machine, all cases of a table in one run. `x echo` is the
multiple of an empty grpc.aio call over loopback, without TLS, in the same run: compare that, not the
milliseconds, with figures of your own.
"""


def measured(name: str) -> Sequence[Mapping[str, Any]]:
    """The rows of one full run; progress goes to the terminal. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "bench", name, "--json", "--full"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    cases: Sequence[Mapping[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])["cases"]
    return cases


def table(cases: Sequence[Mapping[str, Any]]) -> str:
    """The rows, extra facts in a last column."""
    lines = [f"| {' | '.join(COLUMNS.values())} | more |", "|---|" + "--:|" * 5 + "---|"]
    for case in cases:
        more = ", ".join(f"{k} {shown(v)}" for k, v in case.items() if k not in COLUMNS)
        lines.append("| " + " | ".join([*(shown(case.get(name, "")) for name in COLUMNS), more]) + " |")
    return "\n".join(lines) + "\n"


def shown(value: Any) -> str:
    """Three significant digits are what such figures are worth."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def tables(text: str) -> dict[str, str]:
    """What the file holds, by benchmark."""
    parts = re.split(r"^## (\S+)\n\n", text, flags=re.MULTILINE)[1:]
    return {name: f"{rows.strip()}\n" for name, rows in zip(parts[::2], parts[1::2], strict=True)}


def document(known: Mapping[str, str]) -> str:
    """The file, in the order of the benchmarks."""
    return "\n".join([HEAD, *(f"## {name}\n\n{known[name]}" for name in NAMES if name in known)])


def main(names: Sequence[str]) -> int:
    """Measures and writes; 1 when a benchmark failed."""
    known = tables(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    failed = []
    for name in names or NAMES:
        started = time.monotonic()
        try:
            known[name] = table(measured(name))
        except subprocess.CalledProcessError:
            failed.append(name)
            continue
        OUT.write_text(document(known), encoding="utf-8")
        sys.stdout.write(f"{name}: {time.monotonic() - started:.0f} s\n")
        sys.stdout.flush()
    sys.stdout.write(f"wrote {OUT.relative_to(ROOT)}; failed: {', '.join(failed) or 'none'}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
