"""One call of Redact between its steps: texts as they came, what was searched of them, and how they go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.kit.errors import InvalidArgument
from services.redaction.policy.documents import NotJson
from services.redaction.policy.json_texts import Document, leaves_of, own_findings, put_together, spans_of, taken_apart
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
    """The texts of one call. Either all of them come out redacted, or none does."""

    def __init__(self, texts: Sequence[str], *, json: bool) -> None:
        self._texts = texts
        self._documents = [_document(text, place) for place, text in enumerate(texts)] if json else None
        if self._documents is None:
            self.searched = list(texts)
            self._contents = self.searched
        else:
            leaves = [leaf for document in self._documents for leaf, _ in leaves_of(document)]
            self.searched = [leaf.searched for leaf in leaves]
            self._contents = [leaf.content for leaf in leaves]
            self._leaves = leaves
        self.scans: list[Scan] = []

    def found(self, scans: Sequence[Scan]) -> None:
        """Takes what the search found, one result for each of `searched`."""
        if self._documents is None:
            self.scans = list(scans)
        else:
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
        if self._documents is None:
            return [RedactedText(render(text, scan.findings, places), scan, places) for text, scan, places in triples]
        contents = iter([render(text, scan.findings, places) for text, scan, places in triples])
        done, at = [], 0
        for document in self._documents:
            many = sum(1 for _ in leaves_of(document))
            scans = self.scans[at : at + many]
            findings = tuple(spans_of(document, [scan.findings for scan in scans]))
            whole = Scan(findings, sum(s.lookalikes for s in scans), any(s.degraded for s in scans))
            places = [slot for found in own[at : at + many] for slot in found]
            done.append(RedactedText(put_together(document, contents), whole, places))
            at += many
        return done

    def _places(self) -> list[list[Value]]:
        pairs = zip(self._contents, self.scans, strict=True)
        return [[Value(f.entity, text[f.start : f.end]) for f in scan.findings] for text, scan in pairs]


def _beyond(again: Sequence[Finding], findings: Sequence[Finding]) -> list[Finding]:
    """Known values that are not wholly inside of a finding already."""
    return [f for f in again if not any(one.start <= f.start and f.end <= one.end for one in findings)]


def _document(text: str, place: int) -> Document:
    try:
        return taken_apart(text)
    except NotJson:
        raise InvalidArgument.of(f"texts[{place}]", "a JSON document") from None
