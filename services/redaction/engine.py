"""What the service does with texts: detect, redact, restore, forget. Ports in, plain values out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import Exhausted, FailedPrecondition, InvalidArgument, PermissionDenied
from services.redaction.policy.access import may_restore
from services.redaction.policy.documents import (
    Field,
    NotAPointer,
    NotJson,
    fill_document,
    pointer,
    slots_of,
    strings_of,
)
from services.redaction.policy.filling import Filler, Part
from services.redaction.policy.json_texts import Form
from services.redaction.policy.model import LITERAL, MODEL_ENTITIES, Rules, Scan
from services.redaction.policy.placeholders import Filled, Slot, slots_in
from services.redaction.policy.rules import RuleBook
from services.redaction.policy.sinks import Outlet, Sink
from services.redaction.ports import (
    Ended,
    Held,
    Kept,
    MappingFull,
    MappingStore,
    MappingTampered,
    Scanner,
    Scope,
    Value,
)
from services.redaction.work import RedactedText, Work

# Characters of a text that are restored before other calls have their turn.
_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class Detected:
    """Findings of each text, and what was not looked for."""

    scans: list[Scan]
    not_searched: tuple[str, ...]
    degraded: bool = False


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

    async def detect(
        self, caller: Caller, texts: Sequence[str], also: Sequence[str], *, names: bool = True
    ) -> Detected:
        """Finds personal data; look-alikes of placeholders are none. Without `names` a model looks only for `also`."""
        rules = self._rules(caller, texts, also)
        skipped = frozenset[str]() if names else (rules.entities & MODEL_ENTITIES).difference(also)
        scans = await self._scanner.scan(texts, replace(rules, entities=rules.entities - skipped) if skipped else rules)
        bare = [replace(scan, findings=tuple(f for f in scan.findings if f.entity != LITERAL)) for scan in scans]
        missing = tuple(sorted(skipped.union(self.book.not_searched(rules))))
        return Detected(bare, missing, any(scan.degraded for scan in scans))

    async def redact(
        self,
        caller: Caller,
        workload: str,
        conversation: str,
        texts: Sequence[str],
        also: Sequence[str],
        *,
        forms: Sequence[Form] = (),
    ) -> Redacted:
        """Replaces personal data, and keeps the values for the conversation. JSON documents stay JSON documents.

        `forms` says of each text what it is; without it all are plain text.
        """
        rules = self._rules(caller, texts, also)
        scope = _scope(caller, conversation)
        work = Work(texts, forms or [Form.TEXT] * len(texts))
        knowing = asyncio.ensure_future(self._known(scope))  # the store is asked while names are looked for
        try:
            work.found(await self._scanner.scan(work.searched, rules))
            held = await knowing
        finally:
            knowing.cancel()
            await asyncio.gather(knowing, return_exceptions=True)
        work.sweep(held.values, rules)
        distinct = work.values()
        slots = await self._remember(scope, workload, distinct, held.key) if distinct else {}
        if rules.tagged:
            slots = {value: replace(slot, tag=self._store.tag(scope, slot)) for value, slot in slots.items()}
        expires_at = self._clock.now() + self._seconds if distinct else 0.0
        return Redacted(work.redacted(slots), self.book.not_searched(rules), expires_at)

    async def restore(
        self, caller: Caller, workload: str, conversation: str, texts: Sequence[str], sink: Sink = Sink.SHOWN
    ) -> list[Filled]:
        """Puts values back: of this user and conversation, for who may have them, and what the sink may hold.

        A value is never put into a link, an image or an attribute off the allow-list, not even where the user's own
        text had it: nothing tells a link that the user wrote from one that a model was made to write. So restoring
        what was redacted gives the text back except for personal data inside links, whose placeholders stay.
        """
        wanted = list(dict.fromkeys(slot for text in texts for slot, _, _ in slots_in(text, self.book.knows)))
        values = await self._values(caller, workload, conversation, wanted)
        if not values:
            # Then nothing can be filled in or kept back, wherever the placeholders stand.
            return [Filled(text, 0, sum(1 for _ in slots_in(text, self.book.knows)), 0) for text in texts]
        outlet = self._outlet(caller, sink)
        return [await _fill(text, values, Filler(outlet)) for text in texts]

    async def restore_json(
        self,
        caller: Caller,
        workload: str,
        conversation: str,
        texts: Sequence[str],
        keep: Sequence[str],
        fields: Sequence[tuple[str, Sequence[str]]] = (),
        sink: Sink = Sink.TOOL_ARGUMENT,
    ) -> list[Filled]:
        """The same for JSON documents: into strings only, not into the fields to keep; `fields` take more kinds."""
        kept = _pointers(keep, "keep")
        more = _pointers([at for at, _ in fields], "fields")
        allowed = [Field(at, frozenset(entities)) for at, (_, entities) in zip(more, fields, strict=True)]
        documents = []
        for place, text in enumerate(texts):
            try:
                documents.append(strings_of(text, kept, allowed))
            except NotJson:
                raise InvalidArgument.of(f"texts[{place}]", "a JSON document") from None
        wanted = list(dict.fromkeys(slot for strings in documents for slot in slots_of(strings, self.book.knows)))
        values = await self._values(caller, workload, conversation, wanted)
        outlet, pairs = self._outlet(caller, sink), zip(texts, documents, strict=True)
        return [fill_document(text, strings, values, outlet) for text, strings in pairs]

    async def restore_stream(
        self, caller: Caller, workload: str, conversation: str, chunks: AsyncIterable[str], sink: Sink = Sink.SHOWN
    ) -> AsyncIterator[str]:
        """Restores piece by piece what `restore` gives for the whole, however it is cut.

        Only a possible beginning of a placeholder waits, and a placeholder until it is clear that no host or mail
        address goes on behind it: a few hundred characters at most.
        """
        filler = Filler(self._outlet(caller, sink))

        async def put(parts: Sequence[Part]) -> str:
            wanted = list(dict.fromkeys(part.slot for part in parts if part.slot is not None))
            return filler.put(parts, await self._values(caller, workload, conversation, wanted))

        async for chunk in chunks:
            if ready := await put(filler.take(chunk)):
                yield ready
        if rest := await put(filler.take("", last=True)):
            yield rest

    async def end(self, caller: Caller, conversation: str) -> Ended:
        """Destroys the conversation's key, and forgets its values."""
        return await self._store.forget(_scope(caller, conversation))

    def _outlet(self, caller: Caller, sink: Sink) -> Outlet:
        book, whose = self.book, (caller.organisation, caller.brand)
        return Outlet(book.knows, book.link_hosts_for(*whose), book.sinks_for(*whose), sink)

    async def _values(
        self, caller: Caller, workload: str, conversation: str, wanted: Sequence[Slot]
    ) -> dict[Slot, str]:
        scope, tagged = _scope(caller, conversation), self.book.rules_for(caller.organisation, caller.brand).tagged
        # A placeholder with a wrong tag, or without one where tags are the rule, was never issued.
        issued = [slot for slot in wanted if (self._store.is_tagged(scope, slot) if slot.tag else not tagged)]
        kept = await self._recall(scope, issued) if issued else {}
        if not all(may_restore(workload, value.redacted_by) for value in kept.values()):
            raise PermissionDenied("only the workload that redacted may restore", reason="NOT_THE_REDACTOR")
        return {slot: value.text for slot, value in kept.items()}

    def _rules(self, caller: Caller, texts: Sequence[str], also: Sequence[str]) -> Rules:
        if sum(map(len, texts)) > self._most:
            raise InvalidArgument.of("texts", f"at most {self._most} characters in all")
        for place, entity in enumerate(also):
            if not self.book.knows(entity) or entity == LITERAL:
                raise InvalidArgument.of(f"also[{place}]", "an entity type that this service knows")
        return self.book.rules_for(caller.organisation, caller.brand, frozenset(also))

    async def _known(self, scope: Scope) -> Held:
        try:
            return await self._store.known(scope)
        except MappingTampered:
            raise _untrusted() from None

    async def _remember(self, scope: Scope, workload: str, values: Sequence[Value], stored: bytes) -> dict[Value, Slot]:
        try:
            slots = await self._store.remember(scope, workload, values, stored)
        except MappingFull:
            raise Exhausted("the conversation holds as many values as it may") from None
        except MappingTampered:
            raise _untrusted() from None
        return dict(zip(values, slots, strict=True))

    async def _recall(self, scope: Scope, slots: Sequence[Slot]) -> dict[Slot, Kept]:
        try:
            return dict(await self._store.recall(scope, slots))
        except MappingTampered:
            raise _untrusted() from None


async def _fill(text: str, values: Mapping[Slot, str], filler: Filler) -> Filled:
    """A whole text in pieces (which give the same), so that a long one lets other calls in between."""
    pieces = [filler.put(filler.take(text[:_AT_ONCE], last=len(text) <= _AT_ONCE), values)]
    for at in range(_AT_ONCE, len(text), _AT_ONCE):
        await asyncio.sleep(0)
        pieces.append(filler.put(filler.take(text[at : at + _AT_ONCE], last=at + _AT_ONCE >= len(text)), values))
    return Filled("".join(pieces), filler.restored, filler.unknown, filler.withheld)


def _pointers(written_ones: Sequence[str], name: str) -> list[tuple[str, ...]]:
    pointers = []
    for place, written in enumerate(written_ones):
        try:
            pointers.append(pointer(written))
        except NotAPointer:
            raise InvalidArgument.of(f"{name}[{place}]", "a JSON pointer") from None
    return pointers


def _untrusted() -> FailedPrecondition:
    return FailedPrecondition("MAPPING_INVALID", "the mapping of this conversation cannot be trusted")


def _scope(caller: Caller, conversation: str) -> Scope:
    return Scope(caller.organisation, caller.subject, conversation)
