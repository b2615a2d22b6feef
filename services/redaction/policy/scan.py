"""The search: fold the text, run each recognizer where its cheap gate allows, accept, join, map back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from services.redaction.policy.cards import find_cards
from services.redaction.policy.dates import find_dates, find_named_dates
from services.redaction.policy.emails import find_emails
from services.redaction.policy.intervals import Taken
from services.redaction.policy.model import LITERAL, OWN_ENTITIES, Finding, Rules, Scan
from services.redaction.policy.normalise import view
from services.redaction.policy.phones import find_phones
from services.redaction.policy.placeholders import find_lookalikes
from services.redaction.policy.resolve import resolve
from services.redaction.policy.ssn import find_ssns

# A stretch in which every number shape can lie whole: digits and what stands between them.
_STRETCH = re.compile(r"[0-9](?:[0-9 .\-/()]*[0-9])?")
_BETWEEN = " .-/()"
_NUMERIC = frozenset({"PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "DATE_TIME"})


class Finder(Protocol):
    """Any further detector; sees the folded text, and raises DetectionFailed when it cannot finish."""

    def find(self, text: str, wanted: frozenset[str]) -> Sequence[Finding]:
        """All findings of the wanted entities."""


def scan(text: str, rules: Rules, known: Callable[[str], bool], finders: Sequence[Finder] = ()) -> Scan:
    """Search one text. The findings are disjoint, in order, and in code points of the given text."""
    folded = view(text)
    accepted = list(_own(folded.text, rules))
    further = rules.entities - OWN_ENTITIES
    if further:
        for finder in finders:
            accepted.extend(f for f in finder.find(folded.text, further) if rules.accepts(f))
    lookalikes = list(find_lookalikes(folded.text, known)) if "<" in folded.text else []
    if not accepted and not lookalikes:
        return Scan(())
    accepted.extend(lookalikes)
    if folded.origins is not None:
        accepted = [Finding(f.entity, *folded.span(f.start, f.end), f.score, f.validated) for f in accepted]
    found = resolve(accepted, rules)
    return Scan(tuple(found), sum(f.entity == LITERAL for f in found))


def _own(text: str, rules: Rules) -> Iterator[Finding]:
    wanted = rules.entities
    if "EMAIL_ADDRESS" in wanted and "@" in text:
        yield from filter(rules.accepts, find_emails(text))
    if not wanted & _NUMERIC:
        return
    numbers = False
    for stretch in _STRETCH.finditer(text):
        numbers = True
        start, end = stretch.span()
        if end - start >= 4:
            yield from _numeric(text, start, end, rules)
    if numbers and "DATE_TIME" in wanted:
        yield from filter(rules.accepts, find_named_dates(text))


def _numeric(text: str, start: int, end: int, rules: Rules) -> Iterator[Finding]:
    """Surer kinds first; only what counts takes its place, so that a doubtful card does not hide a telephone."""
    wanted = rules.entities
    digits = end - start - sum(map(text[start:end].count, _BETWEEN))
    taken: list[Finding] = []
    if "DATE_TIME" in wanted and digits < end - start:
        taken.extend(filter(rules.accepts, find_dates(text, start, end)))
        if taken and taken[0].start == start and taken[0].end >= end:
            yield taken[0]
            return
    if digits >= 9 and "US_SSN" in wanted:
        taken.extend(filter(rules.accepts, find_ssns(text, start, end)))
    if digits >= 12 and "CREDIT_CARD" in wanted:
        taken.extend(filter(rules.accepts, find_cards(text, start, end)))
    yield from taken
    if digits >= 7 and "PHONE_NUMBER" in wanted:
        yield from filter(rules.accepts, find_phones(text, start, end, Taken(taken)))
