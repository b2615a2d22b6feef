"""The shipped policy, and a search with it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.policy.filling import Filler, fill
from services.redaction.policy.model import Scan
from services.redaction.policy.placeholders import Filled, Slot, render
from services.redaction.policy.rules import RuleBook, parse_rules
from services.redaction.policy.scan import scan
from services.redaction.policy.sinks import Outlet, Sink

POLICY = Path(__file__).parents[3] / "policies" / "redaction.yaml"


@cache
def presidio() -> PresidioDetector:
    return PresidioDetector()


@cache
def shipped() -> RuleBook:
    return parse_rules(yaml.safe_load(POLICY.read_text()), presidio().findable)


def search(text: str, *also: str) -> Scan:
    book = shipped()
    return scan(text, book.rules_for("acme", "", frozenset(also)), book.knows, [presidio()])


def found(text: str, *also: str) -> list[tuple[str, str]]:
    return [(f.entity, text[f.start : f.end]) for f in search(text, *also).findings]


def redact(text: str) -> tuple[str, dict[Slot, str]]:
    """The redacted text and its values, numbered as the store would."""
    findings = search(text).findings
    numbers: dict[str, int] = {}
    slots: dict[tuple[str, str], Slot] = {}
    for f in findings:
        value = (f.entity, text[f.start : f.end])
        if value not in slots:
            numbers[f.entity] = numbers.get(f.entity, 0) + 1
            slots[value] = Slot(f.entity, numbers[f.entity])
    own = [slots[(f.entity, text[f.start : f.end])] for f in findings]
    return render(text, findings, own), {slot: text for (_, text), slot in slots.items()}


def restore(text: str, values: Mapping[Slot, str], *hosts: str) -> Filled:
    """A whole Markdown text with its values."""
    return fill(text, values, Filler(outlet(*hosts)))


def outlet(*hosts: str, sink: Sink = Sink.SHOWN) -> Outlet:
    """Where a text of some organisation goes, with links to these hosts."""
    book = shipped()
    return Outlet(book.knows, frozenset(hosts), book.sinks_for("acme", ""), sink)
