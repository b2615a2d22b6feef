"""An answer as it may be shown: edits put together and applied in one pass; what was looked for, and what was not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from services.guardrail.policy import fold, links
from services.guardrail.policy.model import Edit
from services.guardrail.policy.release import Identifier, Release

REMOVED = "[removed]"
MOST_ASKED = 100  # different identifiers of one answer that their owner is asked for; more are removed unasked
_TERMINAL = re.compile("\x1b\\[[0-9;?]{0,32}[A-Za-z]|\x1b\\][^\x07\x1b]{0,2048}(?:\x07|\x1b\\\\)?")
_BITS = re.compile("[\u2061-\u2064]{8,}|[\u200b\u200c\u200d\ufeff]{8,}|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")


class Check(Enum):
    """What an answer is looked at for."""

    CANARY = "canary"
    PROMPT = "prompt"
    SECRETS = "secrets"
    LINKS = "links"
    HIDDEN = "hidden"
    PERSONAL_DATA = "personal_data"
    IDENTIFIERS = "identifiers"


class Skip(Enum):
    """Why a check did not run."""

    NOT_GIVEN = "not_given"
    TOO_SHORT = "too_short"
    NOT_DECLARED = "not_declared"
    WITHHELD_BEFORE = "withheld_before"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Looked:
    """One check as it really was: over how many characters, or why not."""

    check: Check
    characters: int = 0
    skipped: Skip | None = None


def edits_of(text: str, release: Release, hosts: frozenset[str], leaks: Iterable[tuple[str, int, int]]) -> list[Edit]:
    """Everything that must not leave: leaked personal data as found, secrets, links that carry data away."""
    edits = [Edit(start, end, REMOVED, f"leak.{entity.lower()}") for entity, start, end in leaks]
    for secret in release.secrets:
        edits += [Edit(match.start(), match.end(), REMOVED, secret.id) for match in secret.pattern.finditer(text)]
    edits += links.find(text, hosts)
    edits += hidden(text)
    return merged(edits)


def hidden(text: str) -> Iterator[Edit]:
    """What a terminal obeys and a reader does not see: orders to it, and letters or bits in invisible characters."""
    if "\x1b" in text:
        for match in _TERMINAL.finditer(text):
            yield Edit(*match.span(), "", "hidden.terminal")
    if not text.isascii():
        for start, end in fold.hidden_tags(text):
            yield Edit(start, end, "", "hidden.tags")
        for match in _BITS.finditer(text):
            yield Edit(*match.span(), "", "hidden.bits")


def named(text: str, shapes: Sequence[Identifier]) -> dict[tuple[str, str, str], list[tuple[int, int]]]:
    """Where identifiers of these shapes stand, by action, type and id: each is asked for once."""
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for shape in shapes:
        for match in shape.pattern.finditer(text):
            if match[0]:
                found.setdefault((shape.action, shape.type, match[0]), []).append(match.span())
    return found


def merged(edits: Iterable[Edit]) -> list[Edit]:
    """Disjoint edits in order; where two overlap, the stretch of both is replaced once."""
    out: list[Edit] = []
    for edit in sorted(edits, key=lambda each: (each.start, -each.end)):
        if out and edit.start < out[-1].end:
            last = out[-1]
            out[-1] = Edit(last.start, max(last.end, edit.end), last.replacement or edit.replacement, last.rule)
        else:
            out.append(edit)
    return out


def apply(text: str, edits: Sequence[Edit], first: int) -> tuple[str, list[Edit]]:
    """The text from `first` on with its edits, and those edits; what lies before is context only."""
    out: list[str] = []
    done = first
    made: list[Edit] = []
    for edit in edits:
        if edit.end <= first:
            continue
        out += (text[done : max(done, edit.start)], edit.replacement)
        done = edit.end
        made.append(edit)
    out.append(text[done:])
    return "".join(out), made
