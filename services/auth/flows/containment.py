"""Containing a subject in an incident: a hold, which can be lifted, or the end of what was issued."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from services.auth.flows.epochs import EpochBook
from services.auth.flows.minting import Minter
from services.auth.policy.epochs import Mark
from services.auth.ports import KeyStore
from services.auth.ports.sessions import SessionStore
from services.kit import epochs as naming
from services.kit.clock import Clock
from services.kit.logs import logger
from services.kit.postgres import Proven

_MOST_SESSIONS = 1000  # no plan lets a user have more


class Contained(Enum):
    """Who is contained."""

    USER = "user"
    API_KEY = "key"
    SESSION = "session"
    SESSIONS = "sessions"


class Outcome(Enum):
    """What became of it."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    NEEDS_APPROVAL = "needs_approval"


class Managers(Protocol):
    """Who could still manage keys."""

    async def would_lock_out(self, proof: Proven, kind: Contained, name: str, now: float) -> bool:
        """Whether this subject holds keys that manage keys, and nobody else who is not held does. Raises
        Unavailable."""
        ...


class Containment:
    """Asked by the audit service alone. Raises Unavailable; safe to ask again."""

    def __init__(
        self, book: EpochBook, keys: KeyStore, sessions: SessionStore, managers: Managers, minter: Minter, clock: Clock
    ) -> None:
        self._book, self._keys, self._sessions = book, keys, sessions
        self._managers, self._minter, self._clock = managers, minter, clock

    async def hold(self, organisation: str, kind: Contained, name: str, *, approved: bool) -> Outcome:
        """Not accepted from now on, anywhere, until it is lifted."""
        proof = self._minter.proof(organisation)
        if await self._locks_out(proof, kind, name, approved=approved):
            return Outcome.NEEDS_APPROVAL
        return _outcome(organisation, "held", await self._book.turn(proof, organisation, _name(kind, name), hold=True))

    async def lift(self, organisation: str, kind: Contained, name: str) -> Outcome:
        """Good again, with all that was issued before."""
        proof = self._minter.proof(organisation)
        changed = await self._book.turn(proof, organisation, _name(kind, name), hold=False)
        return _outcome(organisation, "lifted", changed)

    async def end(self, organisation: str, kind: Contained, name: str, *, approved: bool) -> Outcome:
        """Ended for good. Of a user: everything that was issued so far."""
        proof = self._minter.proof(organisation)
        if await self._locks_out(proof, kind, name, approved=approved):
            return Outcome.NEEDS_APPROVAL
        if kind is Contained.USER:
            return _outcome(organisation, "ended", await self._raise(proof, organisation, _name(kind, name)))
        if kind is Contained.SESSIONS:
            return _outcome(organisation, "ended", await self._end_sessions(proof, organisation, name))
        change = self._end_key if kind is Contained.API_KEY else self._end_session
        return _outcome(organisation, "ended", await change(proof, organisation, name))

    async def _locks_out(self, proof: Proven, kind: Contained, name: str, *, approved: bool) -> bool:
        if approved or kind in (Contained.SESSION, Contained.SESSIONS):
            return False
        return await self._managers.would_lock_out(proof, kind, name, self._clock.now())

    async def _raise(self, proof: Proven, organisation: str, name: str) -> bool:
        async def commit() -> tuple[bool, Mark | None]:
            return True, await self._book.next(proof, organisation, name)

        return await self._book.change(organisation, name, commit)

    async def _end_key(self, proof: Proven, organisation: str, key_id: str) -> bool:
        async def commit() -> tuple[bool, Mark | None]:
            known = await self._keys.find(proof, key_id)
            if known is None or known.revoked_at is not None:
                return False, None
            ended = await self._keys.revoke(proof, key_id)
            return ended is not None, None if ended is None else Mark(ended.epoch, ended.revoked_at or 0.0)

        return await self._book.change(organisation, naming.key(key_id), commit)

    async def _end_session(self, proof: Proven, organisation: str, session_id: str) -> bool:
        async def commit() -> tuple[bool, Mark | None]:
            mark = await self._sessions.revoke(proof, session_id, self._clock.now())
            return mark is not None, mark

        return await self._book.change(organisation, naming.session(session_id), commit)

    async def _end_sessions(self, proof: Proven, organisation: str, user: str) -> bool:
        live = await self._sessions.page(proof, user, None, _MOST_SESSIONS, self._clock.now())
        return any([await self._end_session(proof, organisation, record.session_id) for record in live])


def _name(kind: Contained, name: str) -> str:
    return naming.user(name) if kind is Contained.USER else naming.key(name)


def _outcome(organisation: str, what: str, changed: bool) -> Outcome:
    if changed:
        logger().warning("auth.contained", organisation=organisation, what=what)
    return Outcome.CHANGED if changed else Outcome.UNCHANGED
