"""What an organisation stores for itself, and the rule book that comes of it: its own, with nothing of another's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.redaction.policy.custom import Custom, compiled
from services.redaction.policy.model import WhenLate
from services.redaction.policy.rules import Addition, RuleBook


@dataclass(frozen=True, slots=True)
class Recognizer:
    """One recognizer as it is stored; `changed_at` in unix seconds."""

    entity: str
    pattern: str
    score: float
    context: tuple[str, ...] = ()
    etag: str = ""
    changed_at: float = 0.0

    def custom(self) -> Custom:
        """Compiled; raises RulesError. Its name was checked when it was accepted."""
        return compiled(self.entity, self.pattern, self.score, self.context)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the organisation chose instead of the policy file; None is the file's."""

    tagged: bool | None = None
    names_late: WhenLate | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Own:
    """All that is stored of one organisation; version 0 is nothing yet."""

    version: int = 0
    choices: Choices = Choices()
    recognizers: tuple[Recognizer, ...] = ()


def book_of(book: RuleBook, organisation: str, own: Own) -> RuleBook:
    """The book of one organisation. Raises RulesError when something stored is of no use here: then there is none."""
    additions = [addition for addition in book.additions if addition.organisation == organisation]
    if own.recognizers:
        customs = tuple(stored.custom() for stored in own.recognizers)
        additions.append(Addition(organisation, "", frozenset(), recognizers=customs))
    base, choices = book.base, own.choices
    if choices.tagged is not None:
        base = replace(base, tagged=choices.tagged)
    if choices.names_late is not None:
        base = replace(base, names_late=choices.names_late)
        additions = [replace(addition, names_late=None) for addition in additions]
    if own.version:
        base = replace(base, version=f"{base.version}+{own.version}")
    names = frozenset(one.entity for addition in additions for one in addition.recognizers)
    return replace(book, base=replace(base, own_entities=names), additions=tuple(additions))
