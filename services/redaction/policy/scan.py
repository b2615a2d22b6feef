"""The search: fold the text, run each recognizer where its cheap gate allows, accept, join, map back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from services.redaction.policy.addresses import find_addresses
from services.redaction.policy.ages import find_ages, find_spelled_ages
from services.redaction.policy.cards import find_cards
from services.redaction.policy.dates import find_dates, find_named_dates
from services.redaction.policy.emails import find_emails
from services.redaction.policy.gates import Gates, words_of_gates
from services.redaction.policy.groups import find_groups
from services.redaction.policy.intervals import Taken
from services.redaction.policy.model import LITERAL, Finding, Rules, Scan
from services.redaction.policy.normalise import has_digits, view
from services.redaction.policy.phones import find_phones
from services.redaction.policy.placeholders import find_lookalikes
from services.redaction.policy.resolve import resolve
from services.redaction.policy.secrets import HEADS, find_secrets
from services.redaction.policy.ssn import find_ssns
from services.redaction.policy.titles import find_titles
from services.redaction.policy.urls import find_urls

# A stretch in which every number shape can lie whole: digits and what stands between them.
_STRETCH = re.compile(r"[0-9][0-9 .\-/()]{2,}[0-9]")
_BETWEEN = " .-/()"
_LEAST_DIGITS = 7  # of a telephone number, the shortest kind without marks
WORDS = words_of_gates(HEADS)
WORD_GATES = Gates(WORDS)
_NUMERIC = frozenset({"PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "DATE_TIME"})


class Finder(Protocol):
    """Any further detector; sees the folded text, and raises DetectionFailed when it cannot finish."""

    @property
    def findable(self) -> frozenset[str]:
        """What it can find."""

    def find(self, text: str, wanted: frozenset[str]) -> Sequence[Finding]:
        """All findings of the wanted entities."""


def scan(
    text: str,
    rules: Rules,
    known: Callable[[str], bool],
    finders: Sequence[Finder] = (),
    extra: Sequence[Finding] = (),
    gates: Gates = WORD_GATES,
) -> Scan:
    """Search one text. The findings are disjoint, in order, and in code points of the given text.

    `extra` are findings made elsewhere (names, places, values known already), in code points of the given text.
    `gates` know the patterns of the finders; gates that do not know them leave nothing out.
    """
    folded = view(text)
    further = rules.entities & frozenset[str]().union(*(finder.findable for finder in finders))
    opened, further = gates.open_in(folded.text, further)
    accepted = list(_own(folded.text, rules, opened))
    if further:
        for finder in finders:
            accepted.extend(f for f in finder.find(folded.text, further & finder.findable) if rules.accepts(f))
    for recognizer in rules.recognizers:
        accepted.extend(filter(rules.accepts, recognizer.find(folded.text)))
    lookalikes = list(find_lookalikes(folded.text, known))
    if not accepted and not lookalikes and not extra:
        return Scan(())
    accepted.extend(lookalikes)
    if folded.origins is not None:
        accepted = [Finding(f.entity, *folded.span(f.start, f.end), f.score, f.validated) for f in accepted]
    accepted.extend(f for f in extra if rules.accepts(f))
    found = resolve(accepted, rules)
    return Scan(tuple(found), sum(f.entity == LITERAL for f in found))


def _own(text: str, rules: Rules, gates: set[str]) -> Iterator[Finding]:
    wanted = rules.entities
    if "EMAIL_ADDRESS" in wanted and "@" in text:
        yield from filter(rules.accepts, find_emails(text))
    if "SECRET" in wanted and gates:
        yield from filter(rules.accepts, find_secrets(text, gates))
    if "URL" in wanted and "." in text:
        yield from filter(rules.accepts, find_urls(text))
    if "NRP" in wanted:
        yield from filter(rules.accepts, find_groups(text))
    if "title" in gates and ("TITLE" in wanted or "PERSON" in wanted):
        yield from filter(rules.accepts, find_titles(text, wanted))
    if "spelled age" in gates and "AGE" in wanted:
        yield from filter(rules.accepts, find_spelled_ages(text))
    if has_digits(text):
        yield from _with_digits(text, rules, gates)


def _with_digits(text: str, rules: Rules, gates: set[str]) -> Iterator[Finding]:
    wanted = rules.entities
    if "AGE" in wanted:
        yield from filter(rules.accepts, find_ages(text, gates))
    if "STREET_ADDRESS" in wanted:
        yield from filter(rules.accepts, find_addresses(text, gates))
    if wanted & _NUMERIC:
        said = frozenset(entity for entity in _NUMERIC if f"word {entity}" in gates)
        for stretch in _STRETCH.finditer(text):
            piece = stretch[0]
            digits = len(piece) - sum(map(piece.count, _BETWEEN))
            if digits >= _LEAST_DIGITS or _may_be_date(piece):
                yield from _numeric(text, *stretch.span(), digits, rules, said)
    if "month" in gates and "DATE_TIME" in wanted:
        yield from filter(rules.accepts, find_named_dates(text))


def _may_be_date(piece: str) -> bool:
    return "/" in piece or piece.count("-") > 1 or piece.count(".") > 1


def _numeric(text: str, start: int, end: int, digits: int, rules: Rules, said: frozenset[str]) -> Iterator[Finding]:
    """Surer kinds first; only what counts takes its place, so that a doubtful card does not hide a telephone."""
    wanted = rules.entities
    taken: list[Finding] = []
    if "DATE_TIME" in wanted and _may_be_date(text[start:end]):
        taken.extend(filter(rules.accepts, find_dates(text, start, end)))
        if taken and taken[0].start == start and taken[0].end >= end:
            yield taken[0]
            return
    if digits >= 9 and "US_SSN" in wanted:
        taken.extend(filter(rules.accepts, find_ssns(text, start, end)))
    if digits >= 12 and "CREDIT_CARD" in wanted:
        taken.extend(filter(rules.accepts, find_cards(text, start, end)))
    yield from taken
    if digits >= _LEAST_DIGITS and "PHONE_NUMBER" in wanted:
        said_so = "PHONE_NUMBER" in said
        yield from filter(rules.accepts, find_phones(text, start, end, Taken(taken), said=said_so))
