"""`python -m bench guardrail-eval --data FILE.jsonl [--json]`: how often the shipped rules are right about a text.

Rows are `{"text", "label", "source"?, "kind"?}`, label 1 for an attack. Sources are those of the policy file; a row
without one counts as the user's. With --json the last line is one object with `n` and `metrics`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.latency import percentile
from cli.terminal import out
from services.guardrail.bootstrap import load_model, load_rules
from services.guardrail.policy import canary
from services.guardrail.policy.inspect import Looking, inspect
from services.guardrail.policy.learned import Budget
from services.guardrail.policy.model import Part, Source
from services.guardrail.settings import GuardrailSettings

NAME = "guardrail-eval"


@dataclass
class Tally:
    """Answers counted."""

    attacks: int = 0
    stopped: int = 0
    benign: int = 0
    blamed: int = 0

    def add(self, attack: bool, refused: bool) -> None:
        """One row."""
        self.attacks += attack
        self.stopped += attack and refused
        self.benign += not attack
        self.blamed += not attack and refused

    def metrics(self) -> dict[str, float | None]:
        """Shares; None where there was nothing to be right about."""
        total = self.attacks + self.benign
        return {
            "recall": _share(self.stopped, self.attacks),
            "false_positive_rate": _share(self.blamed, self.benign),
            "accuracy": _share(self.stopped + self.benign - self.blamed, total),
        }


def main(arguments: Sequence[str]) -> int:
    """Reads the rows, asks the rules, prints the shares."""
    parser = argparse.ArgumentParser(prog=f"python -m bench {NAME}", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="rows, one JSON object per line")
    parser.add_argument("--budget", choices=[*Budget], help="another budget of false positives than the shipped one")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    args = parser.parse_args(arguments)
    found = measure(args.data, Budget(args.budget) if args.budget else None)
    if args.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        for name, value in [("n", found["n"]), *found["metrics"].items(), *found["latency"].items()]:
            out().print(f"{name:>20}  {value}")
    return 0


def measure(path: Path, budget: Budget | None = None) -> dict[str, Any]:
    """The figures of one file."""
    settings = GuardrailSettings.model_validate({})
    book, learned = load_rules(settings), load_model(settings)
    looking = Looking(learned, budget or book.choices.default.budget)
    marks = [canary.make(bytes(32), "bench", f"c{number}") for number in range(10)]
    alarms = 0
    overall, kinds, taken = Tally(), defaultdict[str, Tally](Tally), []
    for row in _rows(path):
        part = Part(_source(row), str(row["text"]))
        started = time.perf_counter()
        refused = inspect(book, [part], looking).refused
        taken.append((time.perf_counter() - started) * 1000)
        alarms += canary.appears(part.text, marks)  # as if it were an answer: none of these stands in any text
        attack = bool(int(row.get("label", 0)))
        overall.add(attack, refused)
        kinds[str(row.get("kind", ""))].add(attack, refused)
    return {
        "eval": NAME,
        "n": len(taken),
        "metrics": overall.metrics(),
        "by_kind": {name: tally.metrics() for name, tally in sorted(kinds.items()) if name},
        "latency": {
            "p50_ms": round(percentile(taken, 0.5), 4) if taken else None,
            "p99_ms": round(percentile(taken, 0.99), 4) if taken else None,
        },
        "canary_false_alarms": alarms,
        "policy_version": book.version,
        "model_version": learned.version,
        "false_positives": looking.budget.value,
    }


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _source(row: dict[str, Any]) -> Source:
    name = str(row.get("source", Source.USER))
    return Source(name) if name in set(Source) else Source.UNKNOWN


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
