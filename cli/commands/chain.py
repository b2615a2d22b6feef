"""`hauberk chain`: the stages in order."""

from __future__ import annotations

import argparse
import dataclasses
from enum import Enum
from typing import Any

from cli.terminal import out, print_json

HELP = "print the stages of the chain in order"
ABOUT = """\
Prints every stage that a request passes, in order: what must have run before it, what its failure means
(closed = refuse, degrade = a declared fallback answers, open = pass), and its share of the caller's deadline.
"""
EXAMPLES = """\
examples:
  hauberk chain
  hauberk chain --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """How it is printed."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def run(args: argparse.Namespace) -> int:
    """Prints the chain that the gateway would run."""
    from rich.table import Table

    stages = load()
    if args.json:
        print_json({"stages": stages})
        return 0
    table = Table(box=None, pad_edge=False)
    for title in ("", "stage", "needs", "on failure", "share of time", "decides"):
        table.add_column(title, justify="right" if not title else "left")
    for number, stage in enumerate(stages):
        share = f"{stage['share']:.0%}"
        needs = ", ".join(stage["needs"]) or "-"
        table.add_row(str(number), stage["name"], needs, stage["on_failure"], share, stage["decides"])
    out().print(table)
    return 0


def load() -> list[dict[str, Any]]:
    """The declared stages, as plain values."""
    from gateway import stages

    return [{key: _plain(value) for key, value in dataclasses.asdict(stage).items()} for stage in stages.STAGES]


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(item) for item in sorted(value, key=str)]
    return value
