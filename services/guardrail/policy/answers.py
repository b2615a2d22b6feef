"""An answer as it may be shown: edits put together and applied in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.guardrail.policy import links
from services.guardrail.policy.model import Edit
from services.guardrail.policy.release import Release

REMOVED = "[removed]"


def edits_of(text: str, release: Release, hosts: frozenset[str], leaks: Iterable[tuple[str, int, int]]) -> list[Edit]:
    """Everything that must not leave: leaked personal data as found, secrets, links that carry data away."""
    edits = [Edit(start, end, REMOVED, f"leak.{entity.lower()}") for entity, start, end in leaks]
    for secret in release.secrets:
        edits += [Edit(match.start(), match.end(), REMOVED, secret.id) for match in secret.pattern.finditer(text)]
    edits += links.find(text, hosts)
    return merged(edits)


def merged(edits: Iterable[Edit]) -> list[Edit]:
    """Disjoint edits in order; where two overlap, the stretch of both is replaced once."""
    out: list[Edit] = []
    for edit in sorted(edits, key=lambda each: (each.start, -each.end)):
        if out and edit.start < out[-1].end:
            last = out[-1]
            out[-1] = Edit(last.start, max(last.end, edit.end), last.replacement, last.rule)
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
