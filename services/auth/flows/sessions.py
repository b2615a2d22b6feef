"""Opens, rotates, ends and lists sessions."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from services.auth.flows.epochs import EpochBook
from services.auth.flows.key_management import Shape
from services.auth.flows.memberships import Memberships
from services.auth.flows.session_verifier import SessionVerifier
from services.auth.policy import api_keys, scopes, sessions
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.auth.policy.identity import Circumstances, Membership, fingerprint, network_of
from services.auth.policy.sessions import SessionLimits, SessionRecord
from services.auth.ports import KeyStore, Pepper
from services.auth.ports.sessions import NewSession, SessionStore
from services.kit import epochs as naming
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.epochs import key_of
from services.kit.errors import FailedPrecondition, NotFound, PermissionDenied, Unauthenticated
from services.kit.logs import logger
from services.kit.pages import page_size
from services.kit.postgres import Proven


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session: the only time that its text exists here."""

    text: str = field(repr=False)
    record: SessionRecord


@dataclass(frozen=True, slots=True)
class Rotated:
    """The decision; `opened` and `plan` are there exactly when the cause is NONE."""

    cause: Cause
    opened: OpenedSession | None = None
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Making:
    """What new sessions are made of: their shape, their digest, the limits of a plan, a proof of the organisation."""

    shape: Shape
    pepper: Pepper
    clock: Clock
    limits: Callable[[str], SessionLimits]
    prove: Callable[[str], Proven]

    def now(self) -> float:
        """To the microsecond, which is all that the store keeps: what is said of a session is what is kept of it."""
        return round(self.clock.now(), 6)


class Sessions:
    """Every change needs a caller, or a session, that is not revoked meanwhile; store failures are Unavailable."""

    def __init__(
        self,
        store: SessionStore,
        keys: KeyStore,
        verifier: SessionVerifier,
        book: EpochBook,
        memberships: Memberships,
        making: Making,
    ) -> None:
        self._store = store
        self._keys = keys
        self._verifier = verifier
        self._book = book
        self._memberships = memberships
        self._making = making

    async def open(self, caller: Caller, asked: float | None, around: Circumstances) -> OpenedSession:
        """A session for the caller's user and brand, with the caller's scopes."""
        if not sessions.may_open(caller):
            raise FailedPrecondition("NOT_A_FIRST_CREDENTIAL", "only an API key or a user's own token opens a session")
        await self._book.require_current(caller)
        membership = await self._memberships.resolve(caller.organisation, caller.subject, caller.brand)
        if membership.cause is not Cause.NONE:
            raise FailedPrecondition("NOT_A_MEMBER", "the user is not a member of the organisation and brand")
        key = await self._opening_key(caller)
        limits, now = self._making.limits(membership.plan), self._making.now()
        ends_at = sessions.end_of(caller, limits, asked, _end_of_key(key), now)
        if ends_at is None:
            raise FailedPrecondition("CREDENTIAL_ENDS", "the credential ends before a session could begin")
        own_id = sessions.session_id(secrets.token_bytes(api_keys.ID_BYTES))
        record = SessionRecord(
            session_id=own_id,
            organisation=caller.organisation,
            subject=caller.subject,
            brand=membership.brand,
            scopes=frozenset(scope for scope in caller.scopes if scopes.may_hold(scope)),
            credential_id=caller.credential_id,
            epochs=sessions.stands_on(caller, own_id),
            created_at=now,
            expires_at=ends_at,
            last_seen_at=now,
            idle_seconds=limits.idle_seconds,
            roles=membership.roles,
            token_id=caller.token_id,
            authentication=caller.authentication,
            limits=caller.limits,
            addresses=key.addresses if key else (),
            network=network_of(around.client_address),
            agent=fingerprint(around.user_agent),
        )
        text, new = self._made(record)
        if not await self._store.open(caller, new, limits.most_live):
            raise FailedPrecondition("TOO_MANY_SESSIONS", "the user has as many live sessions as the plan allows")
        logger().info("auth.session_opened", organisation=caller.organisation, session_id=own_id)
        return OpenedSession(text, record)

    async def rotate(self, text: str, around: Circumstances) -> Rotated:
        """A new session in place of an old one that is good, but for what its user gained. Of several at once, one
        wins."""
        old = await self._verifier.examine(text, around.client_address)
        if isinstance(old, Cause):
            return _refused(old)
        membership = await self._memberships.resolve(old.organisation, old.subject, old.brand)
        if membership.cause is not Cause.NONE:
            return _refused(membership.cause)
        record = self._successor(old, membership, around)
        new_text, new = self._made(record)

        async def commit() -> tuple[bool, Mark | None]:
            mark = await self._store.replace(self._making.prove(old.organisation), old, new)
            return mark is not None, mark

        if not await self._book.change(old.organisation, naming.session(old.session_id), commit):
            return _refused(Cause.SESSION_ROTATED)
        logger().info("auth.session_rotated", organisation=old.organisation, session_id=record.session_id)
        return Rotated(Cause.NONE, OpenedSession(new_text, record), membership.plan)

    async def revoke(self, caller: Caller, session_id: str) -> None:
        """Ends a session of one's own, or with the scope anybody's in the organisation; safe to repeat."""
        await self._book.require_current(caller)
        found = await self._store.find(caller, session_id)
        if found is None or not (found.subject == caller.subject or scopes.SESSIONS_MANAGE in caller.scopes):
            raise NotFound("session")

        async def commit() -> tuple[None, Mark | None]:
            return None, await self._store.revoke(caller, session_id, self._making.clock.now())

        if found.revoked_at is None:
            await self._book.change(caller.organisation, naming.session(session_id), commit)
            logger().info("auth.session_revoked", organisation=caller.organisation, session_id=session_id)

    async def page(
        self, caller: Caller, subject: str, after: tuple[float, str] | None, size: int
    ) -> tuple[list[SessionRecord], bool]:
        """One page of live sessions, and whether there are more. An empty subject is the caller."""
        if subject and subject != caller.subject and scopes.SESSIONS_MANAGE not in caller.scopes:
            raise PermissionDenied("other users' sessions need the scope sessions.manage", reason="SCOPE_MISSING")
        await self._book.require_current(caller)
        size = page_size(size)
        now = self._making.clock.now()
        found = await self._store.page(caller, subject or caller.subject, after, size + 1, now)
        return found[:size], len(found) > size

    async def _opening_key(self, caller: Caller) -> KeyRecord | None:
        """The API key that the caller came with, as it is now."""
        key_id = key_of(caller.credential_id)
        if not key_id:
            return None
        key = await self._keys.find(caller, key_id)
        if key is None or api_keys.decide(key, self._making.clock.now()) is not Cause.NONE:
            raise Unauthenticated
        return key

    def _successor(self, old: SessionRecord, membership: Membership, around: Circumstances) -> SessionRecord:
        """The same session under another name: nothing but what its user gained is new, and it ends when the old
        one would have."""
        own_id = sessions.session_id(secrets.token_bytes(api_keys.ID_BYTES))
        now = self._making.now()
        return replace(
            old,
            session_id=own_id,
            epochs=sessions.successor_stands_on(old, own_id),
            created_at=now,
            last_seen_at=now,
            roles=membership.roles,
            network=network_of(around.client_address) or old.network,
            agent=fingerprint(around.user_agent) or old.agent,
        )

    def _made(self, record: SessionRecord) -> tuple[str, NewSession]:
        shape = self._making.shape
        text = sessions.compose(shape.prefix, shape.environment, secrets.token_bytes(api_keys.SECRET_BYTES))
        return text, NewSession(record, self._making.pepper.digest(text))


def _end_of_key(key: KeyRecord | None) -> float | None:
    """None: no key, or one without an end."""
    return min((end for end in (key.expires_at, key.grace_until) if end is not None), default=None) if key else None


def _refused(cause: Cause) -> Rotated:
    logger().info("auth.session_not_rotated", cause=cause.value)
    return Rotated(cause)
