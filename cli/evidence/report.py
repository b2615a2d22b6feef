"""The report as one object, and the same as Markdown."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.evidence.model import EVIDENCED, GAP, HOLDS, INCOMPLETE, Assessed, Framework

PLAIN = (
    "This is evidence for an examination of yours. It is no certificate, and nobody examined it: it says what was"
    " looked at on the running system, what was not, and what the system does not do."
)
_WORDS = {None: "not looked for: no source tree here", True: "in the tree", False: "missing"}


def report(framework: Framework, name: str, assessed: Sequence[Assessed], at: datetime) -> dict[str, Any]:
    """Everything, with a digest over all of it."""
    probes = {key: found for each in assessed for key, found in each.probes.items()}
    counts = Counter(each.status for each in assessed)
    body: dict[str, Any] = {
        "framework": name,
        "title": framework.title,
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "statement": PLAIN,
        "notes": list(framework.notes),
        "coverage": {
            "controls": len(assessed),
            EVIDENCED: counts[EVIDENCED],
            INCOMPLETE: counts[INCOMPLETE],
            GAP: counts[GAP],
            "probes": len(probes),
            "probes_hold": sum(found.status == HOLDS for found in probes.values()),
            "tests": len({path for each in assessed for path in each.tests}),
            "tests_found": len({path for each in assessed for path, there in each.tests.items() if there}),
        },
        "controls": [_control(each) for each in assessed],
    }
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return {**body, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _control(each: Assessed) -> dict[str, Any]:
    return {
        "id": each.control.id,
        "about": each.control.about,
        "status": each.status,
        "enforced_by": each.control.enforced_by,
        "probes": {
            name: {"status": found.status, "found": found.words, "figures": dict(found.figures)}
            for name, found in each.probes.items()
        },
        "events_30_days": dict(each.events),
        "tests": dict(each.tests),
        "gaps": list(each.gaps),
    }


def markdown(body: Mapping[str, Any]) -> str:
    """For people."""
    coverage = body["coverage"]
    lines = [
        f"# Evidence: {body['title']}",
        "",
        f"Made {body['at']} from the running system. SHA-256 of the JSON form: `{body['sha256']}`.",
        "",
        body["statement"],
        *(f"\n{note}" for note in body["notes"]),
        "",
        f"Controls: {coverage['controls']}; evidenced {coverage[EVIDENCED]}, incomplete {coverage[INCOMPLETE]}, with a"
        f" gap {coverage[GAP]}. Probes that hold: {coverage['probes_hold']} of {coverage['probes']}. Tests found:"
        f" {coverage['tests_found']} of {coverage['tests']}.",
        "",
        "| control | about | state |",
        "|---|---|---|",
        *(f"| {each['id']} | {each['about']} | {each['status']} |" for each in body["controls"]),
    ]
    for each in body["controls"]:
        lines += _section(each)
    return "\n".join(lines) + "\n"


def _section(each: Mapping[str, Any]) -> list[str]:
    lines = [
        "",
        f"## {each['id']} ({each['status']})",
        "",
        f"{each['about']}.",
        "",
        f"Enforced by: {each['enforced_by']}.",
    ]
    lines += ["", "| looked at | result | found |", "|---|---|---|"]
    lines += [f"| {name} | {found['status']} | {found['found']} |" for name, found in each["probes"].items()]
    if each["events_30_days"]:
        lines += ["", "Events of the last thirty days (1000 and more are shown as counted):", ""]
        lines += [f"- `{code}`: {'not read' if n is None else n}" for code, n in each["events_30_days"].items()]
    lines += ["", "Proved by:", ""]
    lines += [f"- `{path}` ({_WORDS[there]})" for path, there in each["tests"].items()]
    lines += ["", "Gaps:", "", *(f"- {gap}" for gap in each["gaps"] or ["none known"])]
    return lines
