"""`hauberk chain`: the stages of each chain in order."""

from __future__ import annotations

import argparse
import dataclasses
from enum import Enum
from typing import Any

from cli.terminal import out, print_json

HELP = "print the stages of each chain in order"
METHODS = ("Admit", "Complete", "AuthorizeToolCall", "Check")
ABOUT = """\
Prints every stage that a request passes on its way to the model (Admit), that the answer passes on its way back
(Complete), that a tool call passes which the model wrote (AuthorizeToolCall), and that a request passes of which Envoy
asks (Check): what must have run before it, what its failure means (closed = refuse, degrade = a declared fallback
answers, open = pass), and its share of the caller's deadline.
"""
EXAMPLES = """\
examples:
  hauberk chain
  hauberk chain --method Complete
  hauberk chain --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Which, and how it is printed."""
    parser.add_argument("--method", choices=METHODS, metavar="M", help=f"only this one: {', '.join(METHODS)}")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def run(args: argparse.Namespace) -> int:
    """Prints the chains that the gateway would run."""
    from rich.text import Text

    chains = {name: stages for name, stages in load().items() if args.method in (None, name)}
    if args.json:
        print_json({"stages": chains.get("Admit", []), "chains": chains})
        return 0
    console = out()
    for number, (name, stages) in enumerate(chains.items()):
        if number:
            console.print()
        console.print(Text(name, "bold"))
        console.print(_table(stages))
    return 0


def _table(stages: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("", "stage", "needs", "on failure", "share of time", "decides"):
        table.add_column(title, justify="right" if not title else "left")
    for number, stage in enumerate(stages):
        share = f"{stage['share']:.0%}"
        needs = ", ".join(stage["needs"]) or "-"
        table.add_row(str(number), stage["name"], needs, stage["on_failure"], share, stage["decides"])
    return table


def load() -> dict[str, list[dict[str, Any]]]:
    """The declared stages of every chain, as plain values."""
    from gateway.stages import CHAINS

    return {
        name: [{key: _plain(value) for key, value in dataclasses.asdict(stage).items()} for stage in stages]
        for name, stages in CHAINS.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(item) for item in sorted(value, key=str)]
    return value
