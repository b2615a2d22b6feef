"""Looks at the parts of a prompt: which rules match in which reading, what the model says, and what that adds up to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.guardrail.policy import fold, learned, scorer
from services.guardrail.policy.answers import REMOVED, apply, merged
from services.guardrail.policy.grammar import matches, words_of
from services.guardrail.policy.learned import Budget, Learned
from services.guardrail.policy.model import Edit, Finding, Part, Source, Verdict
from services.guardrail.policy.rules import Rule, RuleBook
from services.guardrail.policy.views import DEEPER, Span, View, views_of

REFUSED_FROM = 0.999
NEAR = 1_200  # matches this close together, in characters, are one attempt
MOST_FINDINGS = 256
_QUOTED = re.compile(r'"[^"\n]{8,240}"|“[^”\n]{8,240}”|«[^»\n]{8,240}»|`[^`\n]{8,240}`')
_QUOTED_WEIGHT = 0.15
_HIDDEN_FROM = 2
_IDENTIFIER = re.compile(r"[^\W_]_[^\W_]")  # words of a name in a program: they say less than words of a sentence
_IDENTIFIER_WEIGHT = 0.5
_REPEATED_FROM = 50  # times in a row: what makes a model fall out of its role
_MOST_OF_PATTERN = 4


@dataclass(frozen=True, slots=True)
class Looking:
    """How to look for one organisation: the model, its budget, phrases that are allowed, whether reasons are wanted."""

    learned: Learned | None = None
    budget: Budget = Budget.LOW
    allowed: tuple[str, ...] = ()
    explain: bool = False


def inspect(book: RuleBook, parts: Sequence[Part], looking: Looking | None = None) -> Verdict:
    """Every part for itself; what the product wrote itself is not looked at."""
    how = looking or Looking()
    findings: list[Finding] = []
    refused: list[int] = []
    for number, part in enumerate(parts):
        if part.source is Source.SYSTEM:
            continue
        found = sorted(_find(book, number, part, how), key=lambda finding: finding.start)
        if _adds_up(found):
            refused.append(number)
        findings += found
    findings.sort(key=lambda finding: -finding.weight)
    tainted = tuple(number for number, part in enumerate(parts) if part.source.untrusted)
    return Verdict(bool(refused), tuple(findings[:MOST_FINDINGS]), tuple(refused), tainted)


def _adds_up(found: Sequence[Finding]) -> bool:
    """Whether the rules that match close to each other weigh enough; each rule counts once."""
    for first, finding in enumerate(found):
        best: dict[str, float] = {}
        for other in found[first:]:
            if other.start - finding.start > NEAR:
                break
            best[other.rule] = max(best.get(other.rule, 0.0), other.weight)
        if sum(best.values()) >= REFUSED_FROM:
            return True
    return False


def _find(book: RuleBook, number: int, part: Part, how: Looking) -> list[Finding]:
    found: dict[tuple[str, int, int], Finding] = {}
    excused = _quoted(book, part)
    allowed = _allowed(part, how.allowed)
    concealed: set[tuple[str, int, int]] = set()
    judge = _Judge(part, number, how, [*excused, *allowed])
    deeper: list[Span] = []
    repeated: list[Span] = []
    for view in views_of(part.text, book.lexicon.split):
        if view.name == DEEPER:
            deeper.append(view.back(0, 0))
            continue
        if view.name == "plain" and not repeated:
            repeated = [view.back(*span) for span in _repeated(view)]
        for rule, start, end in _matches(book, view):
            weight = rule.weight(part.source)
            if not weight:
                continue
            first, last = view.back(start, end)
            if view.name == "plain" and any(a <= first and last <= b for a, b in allowed):
                continue
            if any(first < b and a < last for a, b in excused):
                weight *= _QUOTED_WEIGHT
            if part.source is Source.USER and _IDENTIFIER.search(part.text, first, last):
                weight *= _IDENTIFIER_WEIGHT
            key = (rule.id, first, last)
            if key not in found:
                if view.name != "plain":
                    concealed.add(key)
                found[key] = Finding(rule.id, view.name, number, first, last, round(weight, 3))
        judge.look(view)
    hidden = sorted((first, last) for _, first, last in concealed)
    told = {"encoded_rule": hidden[:1], "nested_deeper": deeper, "repeated_word": repeated}
    return [*found.values(), *judge.findings(), *_told(book, number, part, told)]


def _matches(book: RuleBook, view: View) -> Iterator[tuple[Rule, int, int]]:
    words = book.lexicon.read(view.text, view.words)
    for number, first, last in matches(words, book.sequences):
        yield book.rules[number], *words.span(first, last)
    for rule in book.rules:
        if rule.pattern is not None and (not rule.needs or any(map(view.text.__contains__, rule.needs))):
            for count, match in enumerate(rule.pattern.finditer(view.text)):
                if count == _MOST_OF_PATTERN:
                    break
                yield rule, *match.span()


def _told(book: RuleBook, number: int, part: Part, told: dict[str, list[Span]]) -> Iterator[Finding]:
    """That something is hidden says something by itself, and more where the user did not write it."""
    for rule in book.rules:
        if not rule.finds or not rule.weight(part.source):
            continue
        if rule.finds == "hidden_characters":
            spans = fold.hidden_characters(part.text)
            spans = spans if len(spans) >= _HIDDEN_FROM else []
        elif rule.finds == "tag_characters":
            spans = list(fold.hidden_tags(part.text))
        else:
            spans = told[rule.finds]
        if spans:
            yield Finding(rule.id, "plain", number, spans[0][0], spans[-1][1], rule.weight(part.source))


class _Judge:
    """The model's word on a part: the worst of its readings."""

    def __init__(self, part: Part, number: int, how: Looking, excused: Sequence[Span]) -> None:
        self._part = part
        self._number = number
        self._how = how
        self._excused = excused
        self._worst: Finding | None = None
        self._cell: learned.Cell | None = None

    def look(self, view: View) -> None:
        """One reading; the first is the plain one, and says which kind of text it is."""
        known = self._how.learned
        if known is None:
            return
        if self._cell is None:
            self._cell = known.thresholds.of(self._part.source, view.text)
        text = view.text
        if view.name == "plain" and self._excused:
            text = fold.fold(_without(self._part.text, self._excused))
        weight, score = known.weigh(text, self._cell, self._how.budget)
        if weight <= (self._worst.weight if self._worst else 0.0):
            return
        # A text that lost its excused stretches has other places: the whole part is named then.
        place = (0, len(self._part.text)) if text is not view.text else view.back(score.start, score.end)
        grams = scorer.top_grams(known.model, text, score) if self._how.explain else []
        self._worst = Finding(learned.RULE, view.name, self._number, *place, weight, tuple(gram for gram, _ in grams))

    def findings(self) -> list[Finding]:
        """What it found, if anything."""
        return [self._worst] if self._worst is not None else []


def redacted(part: Part, findings: Sequence[Finding], number: int) -> str:
    """The part without what was found in it, overlapping stretches taken out once."""
    edits = [Edit(each.start, each.end, REMOVED, each.rule) for each in findings if each.part == number and each.weight]
    return apply(part.text, merged(edits), 0)[0]


def _without(text: str, spans: Sequence[Span]) -> str:
    out = text
    for first, last in sorted(spans, reverse=True):
        out = f"{out[:first]} {out[last:]}"
    return out


def _repeated(view: View) -> Iterator[Span]:
    """A word many times in a row: each such run covers one of the places that are looked at."""
    words = view.words
    for place in range(0, len(words) - _REPEATED_FROM + 1, _REPEATED_FROM // 2):
        if words[place] == words[place + 1] == words[place + 2]:
            run = words[max(0, place - _REPEATED_FROM // 2) : place + _REPEATED_FROM]
            if run.count(words[place]) >= _REPEATED_FROM:
                yield 0, len(view.text)
                return


def _allowed(part: Part, phrases: Sequence[str]) -> list[Span]:
    """Where allowed phrases stand, as they were written down: spaces and case aside."""
    spans: list[Span] = []
    folded = fold.fold(part.text) if phrases else ""
    for phrase in phrases:
        start = folded.find(phrase)
        while start >= 0:
            spans.append(fold.unfold(part.text, start, start + len(phrase)))
            start = folded.find(phrase, start + len(phrase))
    return spans


def _quoted(book: RuleBook, part: Part) -> list[Span]:
    """Quotations in a user's text that speaks about attacks: quoting one is not making one."""
    if part.source is not Source.USER or not book.quoting:
        return []
    spans = [match.span() for match in _QUOTED.finditer(part.text)]
    if not spans:
        return []
    outside = fold.fold(_QUOTED.sub(" ", part.text))
    about = any(bits & book.quoting for _, bits in book.lexicon.read(outside, words_of(outside)).events)
    return spans if about else []
