"""Conversations: what was said is kept sealed and chained, and nothing that was tampered with is given out."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from hauberk.common.v1 import decision_pb2 as common

from services.kit import pages
from services.kit.audit import Event, EventClass, Trail
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.kit.logs import logger
from services.tenancy.flows.judging import Judge
from services.tenancy.policy import Resource
from services.tenancy.policy import conversations as rules
from services.tenancy.policy.conversations import Integrity, Place, Reading, Row
from services.tenancy.ports.conversations import (
    Addition,
    ConversationStore,
    KeyMaker,
    Keys,
    Loaded,
    Repeated,
    Request,
    Stored,
    Wanted,
)

# A page ends before its texts grow past this, so that an answer always fits into a message.
PAGE_BYTES = 4_000_000
_KIND = "turns"


class _Broken(Exception):
    def __init__(self, integrity: Integrity, sequence: int) -> None:
        super().__init__()
        self.integrity, self.sequence = integrity, sequence


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a turn stands, and what to keep to find it there again."""

    sequence: int
    witness: str


class Conversations:
    """Each is its user's, under one brand: nobody else reads, continues or forgets it."""

    def __init__(
        self, store: ConversationStore, keys: KeyMaker, judge: Judge, trail: Trail | None, clock: Clock
    ) -> None:
        self._store = store
        self._keys = keys
        self._judge = judge
        self._trail = trail
        self._clock = clock

    async def append(self, caller: Caller, conversation: str, role: int, text: str, request_id: str) -> Appended:
        """Adds a turn. Raises FailedPrecondition when the conversation does not prove unaltered up to here."""
        place = await self._permitted(caller, conversation, "chat.send")
        at_us = round(self._clock.now() * 1_000_000)

        def add(stored: Stored | None) -> Addition:
            wrapped, keys, previous, last = self._end(place, stored)
            sequence = last + 1
            sealed = keys.seal(text, keys.chain.context(previous, sequence, role, at_us))
            mark = keys.chain.mark(previous, sequence, role, at_us, sealed)
            request = Request(request_id, keys.chain.request(request_id, role, text) if request_id else b"")
            row = Row(sequence, role, at_us, sealed, mark)
            return Addition(row, keys.chain.head(sequence, mark), wrapped, caller.plan or "free", request)

        try:
            done = await self._store.append(caller, place, request_id, add)
            if isinstance(done, Repeated):
                return self._repeated(place, done, request_id, role, text)
            keys = self._opened(place, done.wrapped_key)
        except _Broken as broken:
            await self._report(caller, place, broken.integrity, broken.sequence)
            raise FailedPrecondition(
                "CONVERSATION_BROKEN", "the stored conversation was altered and is not continued"
            ) from None
        return Appended(done.row.sequence, keys.chain.witness(done.row.sequence, done.row.mark))

    async def list(
        self, caller: Caller, conversation: str, *, size: int, token: str, last: int, witness: str
    ) -> tuple[Reading, str]:
        """The turns that prove unaltered, up to the first that does not, and the token of the next page."""
        if last and token:
            raise InvalidArgument.of("page_token", "must be empty when only the last turns are asked for")
        wanted = Wanted(_after(token), last, (last or pages.page_size(size)) + 1, rules.witnessed(witness))
        place = await self._permitted(caller, conversation, "brands.read")
        loaded = await self._store.load(caller, place, wanted)
        if loaded is None:
            reading, more = Reading((), Integrity.MISSING if witness else Integrity.INTACT, wanted.witnessed), False
        else:
            reading, more = self._read(place, loaded, wanted, witness)
        if reading.integrity is not Integrity.INTACT:
            await self._report(caller, place, reading.integrity, reading.broken_at)
            return reading, ""
        return reading, pages.encode(_KIND, str(reading.turns[-1].sequence)) if more else ""

    async def forget(self, caller: Caller, conversation: str) -> bool:
        """Deletes the conversation's key and its turns; what a backup still has of them cannot be read."""
        place = await self._permitted(caller, conversation, "brands.read")
        return await self._store.forget(caller, place)

    def _read(self, place: Place, loaded: Loaded, wanted: Wanted, witness: str) -> tuple[Reading, bool]:
        try:
            keys = self._opened(place, loaded.stored.wrapped_key)
            self._require_head(keys, loaded.stored)
            _require_witness(keys, loaded, wanted, witness)
        except _Broken as broken:
            return Reading((), broken.integrity, broken.sequence), False
        previous = keys.chain.start() if loaded.after == 0 else loaded.previous
        if previous is None:
            # A token of a page that is past the end by now, or a gap.
            beyond = loaded.after > loaded.stored.head.sequence
            return Reading((), Integrity.INTACT if beyond else Integrity.MISSING, 0 if beyond else loaded.after), False
        rows = _fitting(loaded.rows[: wanted.limit - 1])
        more = len(loaded.rows) > len(rows)
        reading, _ = rules.read(keys.chain, previous, loaded.after, rows, keys.unseal)
        end = loaded.after + len(rows)
        if reading.integrity is Integrity.INTACT and not more and end != loaded.stored.head.sequence:
            # The chain goes on where its head says that it ends, or ends before: neither is as it was written.
            found = Integrity.ALTERED if end > loaded.stored.head.sequence else Integrity.MISSING
            at = min(end, loaded.stored.head.sequence) + 1
            return Reading(reading.turns[: at - loaded.after - 1], found, at), False
        return reading, more

    def _end(self, place: Place, stored: Stored | None) -> tuple[bytes, Keys, bytes, int]:
        """Wrapped key, keys, the mark to go on from and the number of the last turn."""
        if stored is None:
            wrapped, keys = self._keys.make(place)
            return wrapped, keys, keys.chain.start(), 0
        known = self._opened(place, stored.wrapped_key)
        mark = self._require_head(known, stored)
        return self._keys.renewed(place, stored.wrapped_key), known, mark, stored.head.sequence

    def _opened(self, place: Place, wrapped: bytes) -> Keys:
        keys = self._keys.open(place, wrapped)
        if keys is None:
            raise _Broken(Integrity.ALTERED, 1)
        return keys

    def _require_head(self, keys: Keys, stored: Stored) -> bytes:
        if stored.last_mark is None:
            raise _Broken(Integrity.MISSING, max(stored.head.sequence, 1))
        if not keys.chain.holds(stored.head, stored.last_mark):
            raise _Broken(Integrity.ALTERED, max(stored.head.sequence, 1))
        return stored.last_mark

    def _repeated(self, place: Place, done: Repeated, request_id: str, role: int, text: str) -> Appended:
        chain = self._opened(place, done.wrapped_key).chain
        if not hmac.compare_digest(chain.request(request_id, role, text), done.proof):
            raise FailedPrecondition("REQUEST_ID_SPENT", "this request id was used for another turn")
        return Appended(done.sequence, chain.witness(done.sequence, done.mark))

    async def _permitted(self, caller: Caller, conversation: str, action: str) -> Place:
        judgement = await self._judge.remembered(caller)
        decision = judgement.one(action, Resource("Brand", caller.brand, caller.organisation))
        if not decision.allowed:
            raise PermissionDenied("this caller has no permission to do that", reason=decision.cause.name)
        return Place(caller.organisation, caller.brand, caller.subject, conversation)

    async def _report(self, caller: Caller, place: Place, integrity: Integrity, sequence: int) -> None:
        """Raises Unavailable when it cannot be put on record."""
        facts = {"integrity": integrity.value, "sequence": str(sequence), "conversation": place.conversation}
        logger().critical("tenancy.conversation_broken", organisation=place.organisation, integrity=integrity.value)
        if self._trail is None:
            return
        await self._trail.emit(
            Event(
                event_id=f"{caller.txn}/tenancy/conversation_broken/{secrets.token_hex(6)}",
                code="tenancy.conversation_broken",
                at=self._clock.now(),
                kind=EventClass.CRITICAL,
                outcome=common.OUTCOME_DENY,
                reason=common.REASON_NOT_PERMITTED,
                organisation=place.organisation,
                actor=caller.subject,
                brand=place.brand,
                txn=caller.txn,
                facts=facts,
            )
        )


def _require_witness(keys: Keys, loaded: Loaded, wanted: Wanted, witness: str) -> None:
    if not witness:
        return
    mark = loaded.witnessed
    if mark is None or not hmac.compare_digest(keys.chain.witness(wanted.witnessed, mark), witness):
        raise _Broken(Integrity.ROLLED_BACK, wanted.witnessed)


def _fitting(rows: Sequence[Row]) -> Sequence[Row]:
    """As many as fit into an answer, one at least."""
    size = 0
    for index, row in enumerate(rows):
        size += len(row.sealed)
        if size > PAGE_BYTES and index:
            return rows[:index]
    return rows


def _after(token: str) -> int:
    try:
        last = pages.decode(_KIND, token)
    except pages.BadTokenError:
        raise InvalidArgument.of("page_token", "must be a token of this list") from None
    if last and not (last.isdecimal() and len(last) < 16):
        raise InvalidArgument.of("page_token", "must be a token of this list")
    return int(last or 0)
