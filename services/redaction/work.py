"""One call of Redact between its steps: texts as they came, what was searched of them, and how they go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from services.kit.errors import InvalidArgument, Unavailable
from services.redaction.policy.documents import NotJson
from services.redaction.policy.json_texts import (
    Document,
    Form,
    Leaf,
    document_of,
    leaves_of,
    own_findings,
    put_together,
    spans_of,
)
from services.redaction.policy.model import LITERAL, Finding, Rules, Scan
from services.redaction.policy.placeholders import Slot, render
from services.redaction.policy.resolve import resolve
from services.redaction.policy.sweep import Sweep
from services.redaction.ports import Value


@dataclass(frozen=True, slots=True)
class RedactedText:
    """One redacted text, its findings, and the placeholder of each."""

    text: str
    scan: Scan
    slots: list[Slot]


class Work:
    """The texts of one call, each in its form. Either all of them come out redacted, or none does."""

    def __init__(self, texts: Sequence[str], forms: Sequence[Form]) -> None:
        self._documents = [_document(*one, place) for place, one in enumerate(zip(texts, forms, strict=True))]
        self._texts = texts
        self._leaves = [leaf for pair in zip(texts, self._documents, strict=True) for leaf in _leaves(*pair)]
        self._contents = [leaf.content for leaf in self._leaves]
        self.searched = [leaf.searched for leaf in self._leaves]
        self.scans: list[Scan] = []

    def found(self, scans: Sequence[Scan]) -> None:
        """Takes what was found, one result for each of `searched`; raises Unavailable when it cannot be right."""
        if len(scans) != len(self.searched):  # what was not searched is not shown
            raise Unavailable("detector")
        if not all(map(_in_order, self.searched, scans)):
            raise Unavailable("detector")
        pairs = zip(self._leaves, scans, strict=True)
        self.scans = [replace(scan, findings=own_findings(leaf, scan)) for leaf, scan in pairs]

    def sweep(self, known: Sequence[tuple[str, str]], rules: Rules) -> None:
        """Adds every further place of a value that is known or was just found."""
        sweep = Sweep([*known, *((value.entity, value.text) for value in self.values())])
        if not sweep:
            return
        for place, (text, scan) in enumerate(zip(self._contents, self.scans, strict=True)):
            again = list(sweep.find(text))
            if again:
                # What counted stays as it was where it is all that stands there: only new places change anything.
                joined = resolve([*scan.findings, *_beyond(again, scan.findings)], rules)
                self.scans[place] = replace(
                    scan, findings=tuple(joined), lookalikes=sum(f.entity == LITERAL for f in joined)
                )

    def values(self) -> list[Value]:
        """Every distinct value, in the order of the texts."""
        return list(dict.fromkeys(value for found in self._places() for value in found))

    def redacted(self, slots: dict[Value, Slot]) -> list[RedactedText]:
        """The texts with placeholders."""
        own = [[slots[value] for value in found] for found in self._places()]
        triples = zip(self._contents, self.scans, own, strict=True)
        contents = [render(text, scan.findings, places) for text, scan, places in triples]
        done, at = [], 0
        for text, document in zip(self._texts, self._documents, strict=True):
            if document is None:
                done.append(RedactedText(contents[at], self.scans[at], own[at]))
                at += 1
                continue
            end = at + sum(1 for _ in _leaves(text, document))
            scans = self.scans[at:end]
            findings = tuple(spans_of(document, [scan.findings for scan in scans]))
            whole = Scan(findings, sum(s.lookalikes for s in scans), any(s.degraded for s in scans))
            places = [slot for found in own[at:end] for slot in found]
            done.append(RedactedText(put_together(document, iter(contents[at:end])), whole, places))
            at = end
        return done

    def _places(self) -> list[list[Value]]:
        pairs = zip(self._contents, self.scans, strict=True)
        return [[Value(f.entity, text[f.start : f.end]) for f in scan.findings] for text, scan in pairs]


def _leaves(text: str, document: Document | None) -> list[Leaf]:
    if document is None:
        return [Leaf(0, len(text), text, quoted=False)]
    return [leaf for leaf, _ in leaves_of(document)]


def _in_order(text: str, scan: Scan) -> bool:
    """True when the findings lie in the text, one behind the other."""
    inside = all(0 <= f.start < f.end <= len(text) for f in scan.findings)
    return inside and all(before.end <= after.start for before, after in pairwise(scan.findings))


def _beyond(again: Sequence[Finding], findings: Sequence[Finding]) -> list[Finding]:
    """Known values that are not wholly inside of a finding already."""
    return [f for f in again if not any(one.start <= f.start and f.end <= one.end for one in findings)]


def _document(text: str, form: Form, place: int) -> Document | None:
    try:
        return document_of(text, form)
    except NotJson:
        wanted = "a JSON array of chat messages" if form is Form.CHAT else "a JSON document"
        raise InvalidArgument.of(f"texts[{place}]", wanted) from None
