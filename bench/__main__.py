"""`python -m bench NAME [--json] [--small | --full] [--only CASE]`: NAME is one of those that `--help` lists, or all.

`guardrail-eval --data FILE` asks how often the guardrail is right, `redaction-eval --data FILE` what detection finds,
`near-eval --data FILE` which bursts of nearly equal questions are noticed.

With --json the last line is `{"bench": NAME, "cases": [...]}`. `all` runs small sizes unless --full is given, a single
benchmark full ones unless --small is given.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from rich.table import Table

from bench import guardrail_eval, near_eval, redaction_eval
from bench.harness import NAMES, cases_of, measure
from bench.rows import Row
from cli.terminal import err, out

FIRST = ("bench", "case", "n", "p50_ms", "p99_ms", "per_second", "ratio_to_echo")
TITLES = {"p50_ms": "p50 ms", "p99_ms": "p99 ms", "per_second": "per s", "ratio_to_echo": "x echo"}
HIDDEN = {*FIRST, "echo_p50_ms"}  # every row has it; it is in the JSON


def main() -> int:
    """Measures, then prints a table or JSON."""
    for evaluation in (guardrail_eval, near_eval, redaction_eval):
        if sys.argv[1:2] == [evaluation.NAME]:
            return int(evaluation.main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=(*NAMES, "all"), help="which benchmark")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="few calls: shows that it runs")
    size.add_argument("--full", action="store_true", help="enough calls for stable figures")
    parser.add_argument("--only", default="", metavar="CASE", help="this case alone (overspend: race or chaos)")
    args = parser.parse_args()
    if args.only and (args.name == "all" or args.only not in cases_of(args.name)):
        parser.error(f"{args.name} has no case {args.only} that can be run alone")
    small = args.small or (args.name == "all" and not args.full)
    rows: list[Row] = []
    for name in NAMES if args.name == "all" else (args.name,):
        err().print(f"measuring {name} ...")
        rows += [{"bench": name, **found} for found in asyncio.run(measure(name, small, args.only))]
    if args.json:
        sys.stdout.write(json.dumps({"bench": args.name, "cases": _cases(rows, args.name)}) + "\n")
    else:
        out().print(_table(rows))
    return 0


def _cases(rows: list[Row], name: str) -> list[Row]:
    if name == "all":
        return rows
    return [{key: value for key, value in found.items() if key != "bench"} for found in rows]


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in FIRST:
        table.add_column(TITLES.get(column, column), justify="left" if column in {"bench", "case"} else "right")
    table.add_column("more")
    for found in rows:
        more = ", ".join(f"{key} {_shown(value)}" for key, value in found.items() if key not in HIDDEN)
        table.add_row(*(_shown(found.get(column, "")) for column in FIRST), more)
    return table


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
