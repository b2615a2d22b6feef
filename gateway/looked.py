"""What the guardrail really looked at in an answer, over all of its pieces: for the audit event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail

_KIND, _SKIP = "OUTPUT_CHECK_KIND_", "OUTPUT_SKIP_"


@dataclass(slots=True)
class Looked:
    """Counts pieces; a check that did not run on one of them counts as not run, with the first reason."""

    pieces: int = 0
    characters: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    removed: int = 0

    def add(self, checks: Iterable[guardrail.OutputCheck], removed: int = 0) -> None:
        """The report on one piece; `removed` pieces of personal data were taken out of it."""
        self.pieces += 1
        self.removed += removed
        for check in checks:
            kind = guardrail.OutputCheckKind.Name(check.kind).removeprefix(_KIND).lower()
            if check.skipped:
                self.missing.setdefault(kind, guardrail.OutputSkip.Name(check.skipped).removeprefix(_SKIP).lower())
            else:
                self.characters[kind] = self.characters.get(kind, 0) + check.characters

    def facts(self) -> dict[str, str]:
        """As facts of an event; empty when no piece was looked at."""
        if not self.pieces:
            return {"not_checked": "not_reached:all"}
        ran = {kind: count for kind, count in self.characters.items() if kind not in self.missing}
        return {
            "checked": "+".join(sorted(ran)),
            "checked_characters": str(max(ran.values(), default=0)),
            "checked_pieces": str(self.pieces),
            **({"removed": str(self.removed)} if self.removed else {}),
            "not_checked": "+".join(
                f"{why}:{'.'.join(sorted(kind for kind, other in self.missing.items() if other == why))}"
                for why in sorted(set(self.missing.values()))
            ),
        }
