"""An incident as a report: for people as Markdown, for tools as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.audit.policy.canonical import written

VERSION = 1


@dataclass(frozen=True, slots=True)
class ShownAction:
    """An action with whom it is about; an empty subject was erased."""

    id: str
    state: str
    document: Mapping[str, Any]
    subject: str
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class ShownIncident:
    """An incident with whom it is about, as far as that can be read."""

    id: str
    organisation: str
    state: str
    document: Mapping[str, Any]
    names: Mapping[str, str]
    actions: Sequence[ShownAction]


def as_json(shown: ShownIncident, traces: str) -> str:
    """Sorted, so that the same incident is the same text."""
    document = shown.document
    evidence = [{**each, "trace": _trace(traces, each)} for each in document["evidence"]]
    body = {
        "report": VERSION,
        "incident": shown.id,
        "organisation": shown.organisation or "platform",
        "state": shown.state,
        **{name: document[name] for name in ("rule", "severity", "mode", "amount", "over", "window", "policy")},
        "subject": {"kind": document["subject_kind"], "name": shown.names.get("subject", ""), **_known(shown)},
        "timeline": [{"at": at, "what": what} for at, what in timeline(shown)],
        "seconds_to_detect": _between(document, "last_at", "opened_at"),
        "seconds_to_contain": _between(document, "opened_at", "contained_at"),
        "actions": [_action(each) for each in shown.actions],
        "evidence": evidence,
    }
    return json.dumps(body, sort_keys=True, indent=2)


def as_markdown(shown: ShownIncident, traces: str) -> str:
    """The same for people."""
    document = shown.document
    subject = shown.names.get("subject", "") or "erased"
    lines = [
        f"# Incident {shown.id}",
        "",
        f"Rule `{document['rule']}`, severity {document['severity']}, state {shown.state}, of "
        f"{shown.organisation or 'the platform'}.",
        f"{_number(document['amount'])} within {_number(document['window'])} s; more than "
        f"{_number(document['over'])} fires. About the {document['subject_kind']} `{subject}`.",
        "",
        "## Timeline",
        "",
        *(f"- {at} {what}" for at, what in timeline(shown)),
        "",
        "## Actions",
        "",
        "| action | subject | state | why | id |",
        "|---|---|---|---|---|",
    ]
    for each in shown.actions:
        why = each.document.get("why", "") or "-"
        lines.append(f"| {each.document['do']} | {each.subject or 'erased'} | {each.state} | {why} | {each.id} |")
    lines += ["", "## Evidence", "", "| event | code | at | hash | trace |", "|---|---|---|---|---|"]
    for each in document["evidence"]:
        place = f"{each['organisation'] or 'platform'} {each['sequence']}"
        trace = _trace(traces, each) or "-"
        lines.append(f"| {place} | {each['code']} | {_moment(each['at'])} | `{each['hash'][:16]}` | {trace} |")
    lines += ["", "`hauberk audit verify` proves that these events stand in the chain as they were.", ""]
    return "\n".join(lines)


def timeline(shown: ShownIncident) -> list[tuple[str, str]]:
    """What happened when, in order."""
    document = shown.document
    found = [
        (document["first_at"], "first event that counts"),
        (document["last_at"], "the event that made the rule fire"),
        (document["opened_at"], "incident opened"),
    ]
    if "contained_at" in document:
        found.append((document["contained_at"], "contained"))
    if "closed_at" in document:
        found.append((document["closed_at"], f"closed as {shown.state}"))
    found += [
        (each.document["done_at"], f"{each.document['do']} done")
        for each in shown.actions
        if "done_at" in each.document
    ]
    return [(_moment(at), what) for at, what in sorted(found, key=lambda entry: entry[0])]


def _known(shown: ShownIncident) -> dict[str, str]:
    wanted = ("user", "brand", "key", "session", "address", "workload")
    return {name: shown.names[name] for name in wanted if name in shown.names}


def _action(each: ShownAction) -> dict[str, Any]:
    document = each.document
    found = {
        "id": each.id,
        "action": document["do"],
        "subject_kind": document["subject_kind"],
        "subject": each.subject,
        "state": each.state,
        "why": document.get("why", ""),
        "taken_back_by": document["inverse"],
    }
    if "done_at" in document:
        found["done_at"] = _moment(document["done_at"])
    if each.due and each.state == "done":
        found["expires_at"] = _moment(each.due)
    return found


def _between(document: Mapping[str, Any], first: str, last: str) -> float | None:
    return round(document[last] - document[first], 3) if first in document and last in document else None


def _trace(traces: str, evidence: Mapping[str, Any]) -> str:
    trace = str(evidence["trace_id"])
    return f"{traces}{trace}" if trace else ""


def _moment(at: float) -> str:
    return written(int(at * 1_000_000))


def _number(value: float) -> str:
    return f"{value:g}"
