"""Placeholders: how they are written and how they are found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.redaction.policy.model import LITERAL, Finding
from services.redaction.policy.spelling import spellings_in, unfinished

_ENTITY = re.compile(r"[A-Z](?:[A-Z0-9_]{0,62}[A-Z0-9])?")
_NUMBERED = re.compile(r".*_[0-9]+")


@dataclass(frozen=True, slots=True)
class Slot:
    """One numbered place: the entity and which distinct value of it in the conversation; with a tag, if any, that only
    this service can make."""

    entity: str
    number: int
    tag: str = ""

    def __str__(self) -> str:
        number = "" if self.number == 1 else f"_{self.number}"
        tag = f"_T{self.tag}" if self.tag else ""
        return f"<{self.entity}{number}{tag}>"


def is_entity_name(name: str) -> bool:
    """True when placeholders of this entity can be read back without doubt (no number at its end)."""
    return _ENTITY.fullmatch(name) is not None and _NUMBERED.fullmatch(name) is None


def slots_in(text: str, known: Callable[[str], bool]) -> Iterator[tuple[Slot, int, int]]:
    """Yield everything of a known entity that reads as a placeholder, in whatever spelling."""
    for named, start, end in spellings_in(text, known):
        yield Slot(*named), start, end


def find_lookalikes(text: str, known: Callable[[str], bool]) -> Iterator[Finding]:
    """Yield pieces of input that a later restore could mistake for a placeholder; they become literals of their own."""
    for _, start, end in slots_in(text, known):
        yield Finding(LITERAL, start, end, 0.0)


def render(text: str, findings: Sequence[Finding], slots: Sequence[Slot]) -> str:
    """The text with each finding replaced by its placeholder; findings are disjoint and in order."""
    pieces: list[str] = []
    done = 0
    for finding, slot in zip(findings, slots, strict=True):
        pieces.append(text[done : finding.start])
        pieces.append(str(slot))
        done = finding.end
    pieces.append(text[done:])
    return "".join(pieces)


@dataclass(frozen=True, slots=True)
class Filled:
    """A restored text, and how many placeholders were filled in, not known, and kept back for where they stand."""

    text: str
    restored: int
    unknown: int
    withheld: int


def open_start(text: str) -> int:
    """Where the end of the text that may be the beginning of a placeholder begins; its length when there is none."""
    return unfinished(text)
