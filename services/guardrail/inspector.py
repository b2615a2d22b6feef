"""What goes to the model: ports in, plain values out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from services.guardrail.policy import canary, fingerprints, taint
from services.guardrail.policy.choices import Mode
from services.guardrail.policy.inspect import Looking, inspect
from services.guardrail.policy.inspect import redacted as without
from services.guardrail.policy.learned import Learned
from services.guardrail.policy.model import Finding, Part, Source, Verdict
from services.guardrail.policy.rules import RuleBook
from services.guardrail.ports import Classifier, Policies, Worker
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
    taint: bytes = b""  # what the parts were made of, for the check of tool calls
    prompt_prints: bytes = b""  # of what the product wrote, for the inspection of the answer
    version: str = ""


class Inspector:
    """The AI surface: text in, text out. It refuses what it could not look at to its end."""

    def __init__(
        self,
        book: Callable[[], RuleBook],
        policies: Policies,
        worker: Worker,
        keys: Callable[[], Sequence[VersionedSecret]],
        most: int,
        learned: Learned | None = None,
        classifier: Classifier | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._book = book
        self._policies = policies
        self._worker = worker
        self._keys = keys
        self._most = most
        self._learned = learned
        self._classifier = classifier
        self._clock = clock or SystemClock()

    async def inspect_input(
        self,
        caller: Caller,
        conversation: str,
        parts: Sequence[Part],
        *,
        explain: bool = False,
        takes_redacted: bool = False,
        token: str = "",
        prompt_version: str = "",
    ) -> Inspected:
        """May these parts reach the model, and with which canary?"""
        key = self._keys()[0].value
        mark = canary.make(key, caller.organisation, conversation, prompt_version) if conversation else ""
        own = await self._policies.of(caller)
        book, choice = self._book(), own.choice
        version = f"{own.version}/{self._learned.model.version}" if self._learned else own.version
        tainted = tuple(number for number, part in enumerate(parts) if part.source.untrusted)
        characters = sum(len(part.text) for part in parts)
        if characters > self._most:
            return Inspected(True, False, "", too_large=True, mode=choice.mode, tainted=tainted, version=version)
        looking = Looking(self._learned, choice.budget, own.allowed(self._clock.now()), explain)
        verdict = await self._worker.run(characters, partial(inspect, book, parts, looking))
        if self._classifier is not None and not verdict.refused:
            verdict = await self._asked(self._classifier, token, parts, verdict)
        passes = not verdict.refused or choice.mode in (Mode.OBSERVE, Mode.FLAG)
        redacted: tuple[str, ...] = ()
        if verdict.refused and choice.mode is Mode.REDACT and takes_redacted:
            redacted = tuple(without(part, verdict.findings, number) for number, part in enumerate(parts))
            again = [Part(part.source, text) for part, text in zip(parts, redacted, strict=True)]
            # What is left must pass by itself: taking pieces out may put others together.
            left = await self._worker.run(characters, partial(inspect, book, again, looking))
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
            taint=await self._worker.run(characters, partial(taint.summary, parts)) if passes else b"",
            prompt_prints=await self._prints(caller, key, parts) if passes else b"",
            version=version,
        )

    async def _prints(self, caller: Caller, key: bytes, parts: Sequence[Part]) -> bytes:
        """Hashes of what the product wrote itself; none when it wrote nothing."""
        prompts = [part.text for part in parts if part.source is Source.SYSTEM and part.text.strip()]
        if not prompts:
            return b""
        own_key = fingerprints.key_of(key, caller.organisation)
        found = await self._worker.run(sum(map(len, prompts)), partial(fingerprints.prints_of, own_key, prompts))
        return found.to_bytes()

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
