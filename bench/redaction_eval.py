"""`python -m bench redaction-eval --data FILE.jsonl [--json]`: what the shipped detection finds, and what it leaves.

Rows are `{"text", "spans": [{"start", "end", "type"}]}` in code points; Presidio's and other common type names are
mapped. A file of IOB columns (.iob2, .conll) is read sentence by sentence, and one of marked sentences (.marked,
as bench/redaction_sentences.marked, which nothing was trained on) line by line. A span is found when a finding of any
type overlaps it by 0.75 (intersection over union), one to one. `leaked_character_rate` is the share of labelled
characters, blanks aside, that no finding covers. Like Presidio's own evaluation it asks for the types that the data
labels (`asked`); --policy asks for those of the shipped policy. With --json the last line is one object with `metrics`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.redaction_rows import Row, Span, read_rows
from cli.latency import percentile
from cli.terminal import out
from services.redaction.bootstrap import make_namer, make_scanner, start_namer
from services.redaction.settings import RedactionSettings

NAME = "redaction-eval"
LEAST_IOU = 0.75
_PLACES = frozenset({"LOCATION", "STREET_ADDRESS"})


@dataclass
class Tally:
    """Spans and characters counted."""

    labelled: int = 0
    found: int = 0
    predicted: int = 0
    right: int = 0
    characters: int = 0
    leaked: int = 0

    def metrics(self) -> dict[str, float | None]:
        """Shares; None where there was nothing to be right about."""
        precision, recall = _share(self.right, self.predicted), _share(self.found, self.labelled)
        f2 = None
        if precision is not None and recall is not None:
            f2 = round(5 * precision * recall / (4 * precision + recall), 4) if precision + recall else 0.0
        return {
            "precision": precision,
            "recall": recall,
            "f2": f2,
            "leaked_character_rate": _share(self.leaked, self.characters),
        }


def main(arguments: Sequence[str]) -> int:
    """Reads the rows, searches them, prints the shares."""
    parser = argparse.ArgumentParser(prog=f"python -m bench {NAME}", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="rows, one JSON object per line (or IOB columns)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--policy", action="store_true", help="ask for the policy's types, not for the data's")
    parser.add_argument("--misses", type=int, default=0, metavar="N", help="show N spans missed or made up")
    args = parser.parse_args(arguments)
    found = asyncio.run(measure(args.data, by_policy=args.policy, show=args.misses))
    if args.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        for name, value in [("n", found["n"]), *found["metrics"].items(), *found["latency"].items()]:
            out().print(f"{name:>22}  {value}")
        for name, shares in found["by_type"].items():
            out().print(f"{name:>22}  {shares}")
    return 0


async def measure(path: Path, *, by_policy: bool = False, show: int = 0) -> dict[str, Any]:
    """The figures of one file."""
    rows = list(read_rows(path))
    settings = RedactionSettings.load({})
    namer = make_namer(settings)
    if namer is not None:
        await start_namer(settings, namer)
    book, pool = make_scanner(settings, namer)
    labelled = frozenset(span.entity for row in rows for span in row.spans)
    if labelled & _PLACES:  # one data set's location is another one's address
        labelled |= _PLACES
    rules = book.rules_for("", "")
    if not by_policy and labelled:
        rules = replace(rules, entities=labelled)
    overall, types, taken = Tally(), defaultdict[str, Tally](Tally), []
    try:
        for row in rows:
            started = time.perf_counter()
            (scan,) = await pool.scan([row.text], rules)
            taken.append((time.perf_counter() - started) * 1000)
            show -= _count(row, [Span(f.start, f.end, f.entity) for f in scan.findings], overall, types, show)
    finally:
        pool.close()
        if namer is not None:
            namer.close()
    return {
        "eval": NAME,
        "n": len(rows),
        "metrics": overall.metrics(),
        "by_type": {name: {"spans": tally.labelled, **tally.metrics()} for name, tally in sorted(types.items())},
        "asked": sorted(rules.entities),
        "not_searched": list(book.not_searched(rules)),
        "latency": {
            "p50_ms": round(percentile(taken, 0.5), 4) if taken else None,
            "p99_ms": round(percentile(taken, 0.99), 4) if taken else None,
        },
        "policy_version": book.version,
    }


def matched(labelled: Sequence[Span], predicted: Sequence[Span]) -> dict[int, int]:
    """Pairs of a label and a finding that overlap enough, one to one, best first."""
    pairs = sorted(
        ((iou, a, b) for a, one in enumerate(labelled) for b, two in enumerate(predicted) if (iou := _iou(one, two))),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    taken: dict[int, int] = {}
    used: set[int] = set()
    for iou, a, b in pairs:
        if iou >= LEAST_IOU and a not in taken and b not in used:
            taken[a] = b
            used.add(b)
    return taken


def _count(row: Row, predicted: Sequence[Span], overall: Tally, types: dict[str, Tally], show: int) -> int:
    """Adds one row; answers how many spans it showed."""
    pairs = matched(row.spans, predicted)
    right = set(pairs.values())
    covered = {at for span in predicted for at in range(span.start, span.end)}
    shown = [("missed", span) for a, span in enumerate(row.spans) if a not in pairs]
    shown += [("made up", span) for b, span in enumerate(predicted) if b not in right]
    for what, span in shown[: max(0, show)]:
        sys.stderr.write(f"{what} {span.entity}: {row.text[span.start : span.end]!r}\n")
    for a, span in enumerate(row.spans):
        inside = [at for at in range(span.start, span.end) if not row.text[at].isspace()]
        for tally in (overall, types[span.entity]):
            tally.labelled += 1
            tally.found += a in pairs
            tally.characters += len(inside)
            tally.leaked += sum(at not in covered for at in inside)
    for b, span in enumerate(predicted):
        for tally in (overall, types[span.entity]):
            tally.predicted += 1
            tally.right += b in right
    return min(len(shown), max(0, show))


def _iou(one: Span, two: Span) -> float:
    shared = min(one.end, two.end) - max(one.start, two.start)
    return shared / (max(one.end, two.end) - min(one.start, two.start)) if shared > 0 else 0.0


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
