"""Looks at the parts of a prompt: which rules match in which reading, and does it add up to a refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from services.guardrail.policy import fold
from services.guardrail.policy.grammar import matches
from services.guardrail.policy.model import Finding, Part, Source, Verdict
from services.guardrail.policy.rules import Rule, RuleBook
from services.guardrail.policy.views import View, views_of

REFUSED_FROM = 0.999
NEAR = 1_200  # matches this close together, in characters, are one attempt
MOST_FINDINGS = 256
_QUOTED = re.compile(r'"[^"\n]{8,240}"|“[^”\n]{8,240}”|«[^»\n]{8,240}»|`[^`\n]{8,240}`')
_QUOTED_WEIGHT = 0.15
_HIDDEN_FROM = 2


def inspect(book: RuleBook, parts: Sequence[Part]) -> Verdict:
    """Every part for itself; what the product wrote itself is not looked at."""
    findings: list[Finding] = []
    refused = False
    for number, part in enumerate(parts):
        if part.source is Source.SYSTEM:
            continue
        found = sorted(_find(book, number, part), key=lambda finding: finding.start)
        refused = refused or _adds_up(found)
        findings += found
    findings.sort(key=lambda finding: -finding.weight)
    return Verdict(refused, tuple(findings[:MOST_FINDINGS]))


def _adds_up(found: Sequence[Finding]) -> bool:
    """Whether the rules that match close to each other weigh enough; each rule counts once."""
    for first, finding in enumerate(found):
        near = [other for other in found[first:] if other.start - finding.start <= NEAR]
        best: dict[str, float] = {}
        for other in near:
            best[other.rule] = max(best.get(other.rule, 0.0), other.weight)
        if sum(best.values()) >= REFUSED_FROM:
            return True
    return False


def _find(book: RuleBook, number: int, part: Part) -> list[Finding]:
    found: dict[tuple[str, int, int], Finding] = {}
    quoted = _quoted(book, part)
    concealed: set[tuple[str, int, int]] = set()
    for view in views_of(part.text, book.lexicon.split):
        for rule, start, end in _matches(book, view):
            weight = rule.weight(part.source)
            if not weight:
                continue
            first, last = view.back(start, end)
            if any(first < b and a < last for a, b in quoted):
                weight *= _QUOTED_WEIGHT
            key = (rule.id, first, last)
            if key not in found:
                if view.name != "plain":
                    concealed.add(key)
                found[key] = Finding(rule.id, view.name, number, first, last, round(weight, 3))
    return [*found.values(), *_concealed(book, number, part, concealed)]


def _matches(book: RuleBook, view: View) -> Iterator[tuple[Rule, int, int]]:
    words = book.lexicon.read(view.text)
    for number, first, last in matches(words, book.sequences):
        yield book.rules[number], *words.span(first, last)
    for rule in book.rules:
        if rule.pattern is not None and (not rule.needs or any(mark in view.text for mark in rule.needs)):
            for count, match in enumerate(rule.pattern.finditer(view.text)):
                if count == 4:
                    break
                yield rule, *match.span()


def _concealed(book: RuleBook, number: int, part: Part, decoded: set[tuple[str, int, int]]) -> Iterator[Finding]:
    """That something is hidden says something by itself, and more where the user did not write it."""
    for rule in book.rules:
        if not rule.finds or not rule.weight(part.source):
            continue
        spans: list[tuple[int, int]] = []
        if rule.finds == "hidden_characters":
            spans = fold.hidden_characters(part.text)
            spans = spans if len(spans) >= _HIDDEN_FROM else []
        elif rule.finds == "tag_characters":
            spans = list(fold.hidden_tags(part.text))
        elif decoded:
            spans = [min((start, end) for _, start, end in decoded)]
        if spans:
            yield Finding(rule.id, "plain", number, spans[0][0], spans[-1][1], rule.weight(part.source))


def _quoted(book: RuleBook, part: Part) -> list[tuple[int, int]]:
    """Quotations in a user's text that speaks about attacks: quoting one is not making one."""
    if part.source is not Source.USER or not book.quoting:
        return []
    spans = [match.span() for match in _QUOTED.finditer(part.text)]
    if not spans:
        return []
    outside = fold.fold(_QUOTED.sub(" ", part.text))
    about = any(bits & book.quoting for _, bits in book.lexicon.read(outside).events)
    return spans if about else []
