"""What the service does with texts: detect, redact, restore, forget. Ports in, plain values out."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass

from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import Exhausted, FailedPrecondition, InvalidArgument, PermissionDenied
from services.redaction.policy.access import may_restore
from services.redaction.policy.model import LITERAL, Rules, Scan
from services.redaction.policy.placeholders import Filled, Slot, fill, render, slots_in, split_complete
from services.redaction.policy.rules import RuleBook
from services.redaction.ports import Kept, MappingFull, MappingStore, MappingTampered, Scanner, Scope, Value


@dataclass(frozen=True, slots=True)
class Detected:
    """Findings of each text, and what was not looked for."""

    scans: list[Scan]
    not_searched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RedactedText:
    """One redacted text, its findings, and the placeholder of each."""

    text: str
    scan: Scan
    slots: list[Slot]


@dataclass(frozen=True, slots=True)
class Redacted:
    """Redacted texts, what was not looked for, and when the values are forgotten (unix seconds; 0: nothing kept)."""

    texts: list[RedactedText]
    not_searched: tuple[str, ...]
    expires_at: float


class Redactor:
    """The service behind its contract. It refuses rather than return a text that was not searched to its end."""

    def __init__(
        self, book: RuleBook, scanner: Scanner, store: MappingStore, clock: Clock, *, seconds: int, most_characters: int
    ) -> None:
        self.book = book
        self._scanner = scanner
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._most = most_characters

    async def detect(self, caller: Caller, texts: Sequence[str], also: Sequence[str]) -> Detected:
        """Finds personal data; look-alikes of placeholders are none."""
        rules = self._rules(caller, texts, also)
        scans = await self._scanner.scan(texts, rules)
        bare = [Scan(tuple(f for f in scan.findings if f.entity != LITERAL)) for scan in scans]
        return Detected(bare, self.book.not_searched(rules))

    async def redact(
        self, caller: Caller, workload: str, conversation: str, texts: Sequence[str], also: Sequence[str]
    ) -> Redacted:
        """Replaces personal data, and keeps the values for the conversation."""
        rules = self._rules(caller, texts, also)
        scans = await self._scanner.scan(texts, rules)
        pairs = list(zip(texts, scans, strict=True))
        places = [[Value(f.entity, text[f.start : f.end]) for f in scan.findings] for text, scan in pairs]
        distinct = list(dict.fromkeys(value for found in places for value in found))
        slots: dict[Value, Slot] = {}
        if distinct:
            slots = await self._remember(Scope(caller.organisation, conversation), workload, distinct)
        redacted = []
        for (text, scan), found in zip(pairs, places, strict=True):
            own = [slots[value] for value in found]
            redacted.append(RedactedText(render(text, scan.findings, own), scan, own))
        expires_at = self._clock.now() + self._seconds if distinct else 0.0
        return Redacted(redacted, self.book.not_searched(rules), expires_at)

    async def restore(self, caller: Caller, workload: str, conversation: str, texts: Sequence[str]) -> list[Filled]:
        """Puts values back: only of this organisation and conversation, only for who may have them."""
        wanted = list(dict.fromkeys(slot for text in texts for slot, _, _ in slots_in(text, self.book.knows)))
        kept = await self._recall(Scope(caller.organisation, conversation), wanted) if wanted else {}
        if not all(may_restore(workload, value.redacted_by) for value in kept.values()):
            raise PermissionDenied("only the workload that redacted may restore", reason="NOT_THE_REDACTOR")
        values = {slot: value.text for slot, value in kept.items()}
        return [fill(text, values, self.book.knows) for text in texts]

    async def restore_stream(
        self, caller: Caller, workload: str, conversation: str, chunks: AsyncIterable[str]
    ) -> AsyncIterator[str]:
        """Restores piece by piece; only what may be the beginning of a placeholder waits for the next piece."""
        held = ""
        async for chunk in chunks:
            ready, held = split_complete(held + chunk)
            if ready:
                yield (await self.restore(caller, workload, conversation, [ready]))[0].text
        if held:
            yield held

    async def end(self, caller: Caller, conversation: str) -> bool:
        """Forgets the conversation's values."""
        return await self._store.forget(Scope(caller.organisation, conversation))

    def _rules(self, caller: Caller, texts: Sequence[str], also: Sequence[str]) -> Rules:
        if sum(map(len, texts)) > self._most:
            raise InvalidArgument.of("texts", f"at most {self._most} characters in all")
        for place, entity in enumerate(also):
            if not self.book.knows(entity) or entity == LITERAL:
                raise InvalidArgument.of(f"also[{place}]", "an entity type that this service knows")
        return self.book.rules_for(caller.organisation, caller.brand, frozenset(also))

    async def _remember(self, scope: Scope, workload: str, values: Sequence[Value]) -> dict[Value, Slot]:
        try:
            slots = await self._store.remember(scope, workload, values)
        except MappingFull:
            raise Exhausted("the conversation holds as many values as it may") from None
        return dict(zip(values, slots, strict=True))

    async def _recall(self, scope: Scope, slots: Sequence[Slot]) -> dict[Slot, Kept]:
        try:
            return dict(await self._store.recall(scope, slots))
        except MappingTampered:
            raise FailedPrecondition("MAPPING_INVALID", "the mapping of this conversation cannot be trusted") from None
