"""What goes to the model and what comes from it: ports in, plain values out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from services.guardrail.policy import answers, canary
from services.guardrail.policy.inspect import inspect
from services.guardrail.policy.model import Edit, Finding, Part
from services.guardrail.policy.rules import RuleBook
from services.guardrail.ports import Detector, Leak, Worker
from services.kit.caller import Caller
from services.kit.keys import VersionedSecret


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the parts came to; `too_large` means that nobody looked, and refuses."""

    refused: bool
    observed: bool
    canary: str
    findings: tuple[Finding, ...] = ()
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """The answer as it may be shown, or nothing of it."""

    withheld: bool
    text: str = ""
    edits: tuple[Edit, ...] = ()
    removed: int = 0
    too_large: bool = False


class Inspector:
    """The AI surface: text in, text out. It refuses what it could not look at to its end."""

    def __init__(
        self,
        book: RuleBook,
        worker: Worker,
        detector: Detector,
        keys: Callable[[], Sequence[VersionedSecret]],
        most: int,
    ) -> None:
        self.book = book
        self._worker = worker
        self._detector = detector
        self._keys = keys
        self._most = most

    async def inspect_input(self, caller: Caller, conversation: str, parts: Sequence[Part]) -> Inspected:
        """May these parts reach the model, and with which canary?"""
        mark = self._canaries(caller, conversation)[0] if conversation else ""
        characters = sum(len(part.text) for part in parts)
        if characters > self._most:
            return Inspected(refused=True, observed=False, canary="", too_large=True)
        verdict = await self._worker.run(characters, partial(inspect, self.book, parts))
        observed = verdict.refused and self.book.observes(caller.organisation, caller.brand)
        return Inspected(
            refused=verdict.refused,
            observed=observed,
            canary=mark if observed or not verdict.refused else "",
            findings=verdict.findings,
        )

    async def inspect_output(
        self, caller: Caller, token: str, conversation: str, text: str, preceding: str
    ) -> Released:
        """May this answer be shown, and how? What spans both pieces is found; only the new one is returned."""
        whole = preceding + text
        if len(whole) > self._most:
            return Released(withheld=True, too_large=True)
        marks = self._canaries(caller, conversation)
        if await self._worker.run(len(whole), partial(canary.appears, whole, marks)):
            return Released(withheld=True, edits=(Edit(0, len(text), "", "canary.found"),))
        release = self.book.release
        leaks = await self._detector.find(token, whole, release.leaks) if whole.strip() else []
        hosts = release.hosts_for(caller.organisation, caller.brand)
        found = await self._worker.run(len(whole), partial(answers.edits_of, whole, release, hosts, _plain(leaks)))
        shown, made = answers.apply(whole, found, len(preceding))
        removed = sum(edit.replacement == answers.REMOVED for edit in made)
        shift = len(preceding)
        moved = tuple(Edit(max(0, e.start - shift), e.end - shift, e.replacement, e.rule) for e in made)
        return Released(withheld=False, text=shown, edits=moved, removed=removed)

    def _canaries(self, caller: Caller, conversation: str) -> list[str]:
        return [canary.make(key.value, caller.organisation, conversation) for key in self._keys()]


def _plain(leaks: Sequence[Leak]) -> list[tuple[str, int, int]]:
    return [(leak.entity, leak.start, leak.end) for leak in leaks]
