"""Verifies a presented session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.auth.flows.api_keys import BrandOf
from services.auth.flows.epochs import EpochBook
from services.auth.flows.key_management import Shape
from services.auth.flows.recent import Recent
from services.auth.flows.session_activity import SessionActivity
from services.auth.policy import sessions
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Marks
from services.auth.policy.identity import Presented, Verified
from services.auth.policy.sessions import SessionRecord
from services.auth.ports import Pepper
from services.auth.ports.sessions import SessionStore
from services.kit.clock import Clock
from services.kit.epochs import Grounds, key_of

# Asked about in place of a session that does not exist, so that its refusal costs what every other refusal costs.
_NOBODY = Grounds("nobody", "none", "key_" + "0" * 22, "ses_" + "0" * 22).names()
NOBODY = ("no-organisation", _NOBODY)

Reused = Callable[[SessionRecord], Awaitable[None]]


class SessionVerifier:
    """Shape, digest, record, epochs: in that order, the dear steps last."""

    def __init__(
        self,
        store: SessionStore,
        book: EpochBook,
        pepper: Pepper,
        activity: SessionActivity,
        clock: Clock,
        shape: Shape,
        memory_seconds: float,
        reused: Reused | None = None,
    ) -> None:
        """`reused` is told of a session that is presented after its successor was made: one of two has stolen it."""
        self._reused = reused
        self._store = store
        self._book = book
        self._pepper = pepper
        self._activity = activity
        self._clock = clock
        self._shape = shape
        self._memory: Recent[SessionRecord] = Recent(clock, memory_seconds)

    async def verify(self, presented: Presented, brand_of: BrandOf) -> tuple[Verified, Marks] | Cause:  # noqa: ARG002
        """The session's identity with the epochs it stands on. Every well-formed session that is refused costs one
        lookup and one reading of epochs, whatever the cause."""
        found = await self._find(presented.text)
        if isinstance(found, Cause):
            return found
        record, marks = found
        cause = sessions.decide_place(record, presented.address, presented.brand)
        if cause is not Cause.NONE:  # no use of it: this does not keep the session alive
            return cause
        self._activity.used(record, self._clock.now())
        return _verified(record), marks

    async def examine(self, text: str, address: str) -> SessionRecord | Cause:
        """The session as the store has it now, if it may be used from there."""
        digests = self._digests(text)
        if isinstance(digests, Cause):
            return digests
        record = await self._store.by_digest(digests)
        cause, _ = await self._judge(record)
        if record is None or cause is not Cause.NONE:
            return cause
        cause = sessions.decide_place(record, address, "")
        return record if cause is Cause.NONE else cause

    def clear(self) -> None:
        """Forget all: the next use of each session goes to the store."""
        self._memory.clear()

    def _digests(self, text: str) -> list[bytes] | Cause:
        cause = sessions.inspect(text, self._shape.prefix, self._shape.environment)
        return cause if cause is not Cause.NONE else [digest.value for digest in self._pepper.all_digests(text)]

    async def _find(self, text: str) -> tuple[SessionRecord, Marks] | Cause:
        digests = self._digests(text)
        if isinstance(digests, Cause):
            return digests
        record = self._memory.get(digests[0])
        remembered = record is not None
        if record is None:
            record = await self._store.by_digest(digests)
        cause, marks = await self._judge(record)
        if remembered and cause is not Cause.NONE:  # a refusal never rests on memory
            self._memory.drop(digests[0])
            record, remembered = await self._store.by_digest(digests), False
            cause = sessions.decide(record, marks, self._clock.now())
        if record is not None and cause is Cause.SESSION_ROTATED and self._reused is not None:
            await self._reused(record)
        if record is None or cause is not Cause.NONE:
            return cause
        if not remembered:
            self._memory.put(digests[0], record)
        return record, marks

    async def _judge(self, record: SessionRecord | None) -> tuple[Cause, Marks]:
        organisation, names = NOBODY if record is None else (record.organisation, list(record.epochs))
        marks = await self._book.read(organisation, names)
        return sessions.decide(record, marks, self._clock.now()), marks


def _verified(record: SessionRecord) -> Verified:
    """The credential is the one that opened it: its limits and its revocation count, however many sessions it opens."""
    return Verified(
        organisation=record.organisation,
        subject=record.subject,
        brand=record.brand,
        credential_id=record.credential_id,
        scopes=record.scopes,
        issued_at=record.created_at,
        key_id=key_of(record.credential_id),
        session_id=record.session_id,
        token_id=record.token_id,
        authentication=record.authentication,
        limits=record.limits,
        roles=record.roles,
    )
