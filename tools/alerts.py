"""Prometheus alerts that mirror policies/response.yaml: python -m tools.alerts [--check]

Written to deploy/prometheus/alerts.yaml. A detection raises `hauberk_incidents_total{rule}`; besides, somebody is told
when nothing watches any more, and when an action of a playbook fails. `--check` says whether the file is up to date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from services.audit.catalogue import catalogue
from services.audit.policy.response import ResponsePolicy, RuleDocument, parse_policy
from services.audit.settings import RESPONSE_POLICY
from services.kit.documents import read_document

FILE = Path(__file__).resolve().parents[1] / "deploy" / "prometheus" / "alerts.yaml"
_HEAD = "# Written by `python -m tools.alerts` from policies/response.yaml; a test compares them.\n"
_SEVERITY = {"low": "ticket", "medium": "ticket", "high": "page", "critical": "page"}


def main() -> int:
    """Writes the file, or compares it."""
    parser = argparse.ArgumentParser(prog="python -m tools.alerts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the file is up to date")
    args = parser.parse_args()
    text = written(parse_policy(read_document(RESPONSE_POLICY), catalogue()))
    if not args.check:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("deploy/prometheus/alerts.yaml is not what policies/response.yaml says: python -m tools.alerts\n")
    return 1


def written(policy: ResponsePolicy) -> str:
    """The whole file."""
    groups = [
        {"name": "hauberk_detection", "rules": [_alert(rule) for rule in policy.rules]},
        {"name": "hauberk_response", "rules": _own()},
    ]
    return _HEAD + yaml.safe_dump({"groups": groups}, sort_keys=False, width=140, allow_unicode=True)


def _alert(rule: RuleDocument) -> dict[str, Any]:
    name = "".join(part.capitalize() for part in rule.id.split("_"))
    counted = rule.amount or "events"
    return {
        "alert": f"Incident{name}",
        "expr": f'increase(hauberk_incidents_total{{rule="{rule.id}"}}[{max(int(rule.window), 300)}s]) > 0',
        "labels": {"severity": _SEVERITY[rule.severity], "rule": rule.id},
        "annotations": {
            "summary": rule.about,
            "description": f"More than {rule.over:g} {counted} of one {' or '.join(rule.group)} in {rule.window:g} s. "
            "`hauberk incident list` shows the incidents, with --platform those that are nobody's organisation's.",
        },
    }


def _own() -> list[dict[str, Any]]:
    return [
        {
            "alert": "DetectionStopped",
            "expr": "sum(increase(hauberk_watch_turns_total[5m])) == 0 or absent(hauberk_watch_turns_total)",
            "for": "5m",
            "labels": {"severity": "page"},
            "annotations": {
                "summary": "nobody watches the trail",
                "description": "No audit process has had its turn for minutes: no rule fires, no hold is lifted.",
            },
        },
        {
            "alert": "ResponseActionFailed",
            "expr": 'increase(hauberk_actions_total{state="failed"}[15m]) > 0',
            "labels": {"severity": "page"},
            "annotations": {
                "summary": "an action of a playbook could not be done",
                "description": "The attack that it was to contain goes on. `hauberk incident show` says which one.",
            },
        },
    ]


if __name__ == "__main__":
    sys.exit(main())
