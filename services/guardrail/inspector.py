"""What goes to the model and what comes from it: ports in, plain values out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from services.guardrail.policy import answers, canary
from services.guardrail.policy.choices import Mode
from services.guardrail.policy.inspect import Looking, inspect
from services.guardrail.policy.inspect import redacted as without
from services.guardrail.policy.learned import Learned
from services.guardrail.policy.model import Edit, Finding, Part, Source, Verdict
from services.guardrail.policy.rules import RuleBook
from services.guardrail.ports import Classifier, Detector, Leak, Worker
from services.kit.caller import Caller
from services.kit.clock import Clock, SystemClock
from services.kit.keys import VersionedSecret


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the parts came to; `too_large` means that nobody looked, and refuses."""

    refused: bool
    observed: bool
    canary: str
    findings: tuple[Finding, ...] = ()
    too_large: bool = False
    mode: Mode = Mode.BLOCK
    tainted: tuple[int, ...] = ()
    redacted: tuple[str, ...] = ()  # every part, without what was found; only in mode redact
    passes: bool = False


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
        learned: Learned | None = None,
        classifier: Classifier | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.book = book
        self._worker = worker
        self._detector = detector
        self._keys = keys
        self._most = most
        self._learned = learned
        self._classifier = classifier
        self._clock = clock or SystemClock()

    @property
    def version(self) -> str:
        """Of the rules, the model and its thresholds."""
        return f"{self.book.version}/{self._learned.model.version}" if self._learned else self.book.version

    async def inspect_input(
        self,
        caller: Caller,
        conversation: str,
        parts: Sequence[Part],
        *,
        explain: bool = False,
        takes_redacted: bool = False,
        token: str = "",
    ) -> Inspected:
        """May these parts reach the model, and with which canary?"""
        mark = self._canaries(caller, conversation)[0] if conversation else ""
        choice = self.book.choices.of(caller.organisation, caller.brand)
        tainted = tuple(number for number, part in enumerate(parts) if part.source.untrusted)
        characters = sum(len(part.text) for part in parts)
        if characters > self._most:
            return Inspected(True, False, "", too_large=True, mode=choice.mode, tainted=tainted)
        allowed = self.book.choices.allowed(caller.organisation, caller.brand, self._clock.now())
        looking = Looking(self._learned, choice.budget, allowed, explain)
        verdict = await self._worker.run(characters, partial(inspect, self.book, parts, looking))
        if self._classifier is not None and not verdict.refused:
            verdict = await self._asked(self._classifier, token, parts, verdict)
        passes = not verdict.refused or choice.mode in (Mode.OBSERVE, Mode.FLAG)
        redacted: tuple[str, ...] = ()
        if verdict.refused and choice.mode is Mode.REDACT and takes_redacted:
            redacted = tuple(without(part, verdict.findings, number) for number, part in enumerate(parts))
            again = [Part(part.source, text) for part, text in zip(parts, redacted, strict=True)]
            # What is left must pass by itself: taking pieces out may put others together.
            left = await self._worker.run(characters, partial(inspect, self.book, again, looking))
            passes, redacted = not left.refused, () if left.refused else redacted
        return Inspected(
            refused=verdict.refused,
            observed=verdict.refused and choice.mode is Mode.OBSERVE,
            canary=mark if passes else "",
            findings=verdict.findings,
            mode=choice.mode,
            tainted=tainted,
            redacted=redacted,
            passes=passes,
        )

    async def _asked(self, classifier: Classifier, token: str, parts: Sequence[Part], verdict: Verdict) -> Verdict:
        """What an external classifier adds; it can only refuse more."""
        numbers = [
            number for number, part in enumerate(parts) if part.source is not Source.SYSTEM and part.text.strip()
        ]
        judged = await classifier.judge(token, [parts[number] for number in numbers])
        bad = tuple(number for number, refused in zip(numbers, judged, strict=True) if refused)
        found = tuple(Finding("model.external", "plain", number, 0, len(parts[number].text), 1.0) for number in bad)
        return Verdict(
            verdict.refused or bool(bad), verdict.findings + found, verdict.refused_parts + bad, verdict.tainted
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
