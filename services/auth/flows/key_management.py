"""Creates, rotates, revokes and lists API keys."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from services.auth.flows.epochs import EpochBook
from services.auth.flows.memberships import Memberships
from services.auth.flows.minting import Minter
from services.auth.policy import api_keys, scopes
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.auth.ports import KeyStore, NewKey, Pepper
from services.kit import epochs as naming
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Violation
from services.kit.logs import logger

DEFAULT_GRACE_SECONDS = 7 * 86_400.0
# With a shorter grace, processes that remember the old key could outlast it: then its epoch rises as well.
SHORT_GRACE_SECONDS = 15.0
DEFAULT_PAGE = 50


@dataclass(frozen=True, slots=True)
class Shape:
    """Prefix and environment of this deployment's keys."""

    prefix: str
    environment: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to be made; `seconds` of None never expires."""

    subject: str
    brand: str
    scopes: tuple[str, ...]
    display_name: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key: the only time that its text exists here."""

    text: str
    record: KeyRecord
    old_ends_at: float = 0.0


class KeyManagement:
    """Every change needs a caller who is not revoked meanwhile; every store failure is Unavailable."""

    def __init__(
        self,
        store: KeyStore,
        book: EpochBook,
        memberships: Memberships,
        minter: Minter,
        pepper: Pepper,
        clock: Clock,
        shape: Shape,
    ) -> None:
        self._store = store
        self._book = book
        self._memberships = memberships
        self._minter = minter
        self._pepper = pepper
        self._clock = clock
        self._shape = shape

    async def create(self, caller: Caller, wanted: Wanted) -> Issued:
        """A key for a member, with no scope that the caller does not hold."""
        _require_grantable(wanted.scopes, caller.scopes)
        await self._book.require_current(caller)
        await self._require_member(caller.organisation, wanted.subject, wanted.brand)
        text, new = self._make(caller.organisation, wanted, caller.credential_id)
        return Issued(text, await self._store.add(caller, new))

    async def bootstrap(self, organisation: str, subject: str, brand: str) -> Issued:
        """The first key of an organisation, for its operator's hand; refused when it ever had one."""
        await self._require_member(organisation, subject, brand)
        wanted = Wanted(subject, brand, tuple(sorted(scopes.BOOTSTRAP)), "bootstrap")
        text, new = self._make(organisation, wanted, "operator")
        record = await self._store.add_first(self._minter.proof(organisation), new)
        if record is None:
            raise FailedPrecondition("ORGANISATION_HAS_KEYS", "the organisation already has an API key")
        logger().info("auth.key_bootstrapped", organisation=organisation, key_id=record.key_id)
        return Issued(text, record)

    async def rotate(self, caller: Caller, key_id: str, grace: float | None) -> Issued:
        """A new key in place of an old one. Whoever cannot grant the old key's scopes cannot be shown its successor."""
        await self._book.require_current(caller)
        old = await self._store.find(caller, key_id)
        if old is None:
            raise NotFound("API key")
        if not old.scopes <= caller.scopes:
            raise PermissionDenied("the key has scopes that the caller does not hold", reason="SCOPE_TOO_WIDE")
        now = self._clock.now()
        if old.rotated_to or api_keys.decide(old, now) is not Cause.NONE:
            raise _not_rotatable()
        grace = DEFAULT_GRACE_SECONDS if grace is None else grace
        ends_at = api_keys.grace_end(old, now, grace)
        life = None if old.expires_at is None else old.expires_at - old.created_at
        wanted = Wanted(old.subject, old.brand, tuple(old.scopes), old.display_name, life)
        text, new = self._make(caller.organisation, wanted, caller.credential_id)
        record = await self._replace(caller, old, ends_at, new, cut=grace < SHORT_GRACE_SECONDS)
        return Issued(text, record, ends_at)

    async def revoke(self, caller: Caller, key_id: str) -> KeyRecord:
        """Ends a key at once; safe to repeat."""
        await self._book.require_current(caller)

        async def commit() -> tuple[KeyRecord | None, Mark | None]:
            record = await self._store.revoke(caller, key_id)
            return record, None if record is None else Mark(record.epoch, record.revoked_at or 0.0)

        found = await self._book.change(caller.organisation, naming.key(key_id), commit)
        if found is None:
            raise NotFound("API key")
        logger().info("auth.key_revoked", organisation=caller.organisation, key_id=key_id)
        return found

    async def page(self, caller: Caller, after: tuple[float, str] | None, size: int) -> tuple[list[KeyRecord], bool]:
        """One page, and whether there are more."""
        await self._book.require_current(caller)
        size = size or DEFAULT_PAGE
        found = await self._store.page(caller, after, size + 1)
        return found[:size], len(found) > size

    async def _replace(self, caller: Caller, old: KeyRecord, ends_at: float, new: NewKey, *, cut: bool) -> KeyRecord:
        async def commit() -> tuple[KeyRecord | None, Mark | None]:
            record = await self._store.replace(caller, old, ends_at, new, cut)
            return record, None if record is None else Mark(old.epoch + 1, ends_at)

        if cut:
            replaced = await self._book.change(caller.organisation, naming.key(old.key_id), commit)
        else:
            replaced, _ = await commit()
        if replaced is None:
            raise _not_rotatable()
        return replaced

    async def _require_member(self, organisation: str, subject: str, brand: str) -> None:
        membership = await self._memberships.resolve(organisation, subject, brand)
        if membership.cause is not Cause.NONE:
            raise FailedPrecondition("NOT_A_MEMBER", "the subject is not a member of the organisation and brand")

    def _make(self, organisation: str, wanted: Wanted, created_by: str) -> tuple[str, NewKey]:
        text = api_keys.compose(self._shape.prefix, self._shape.environment, secrets.token_bytes(api_keys.SECRET_BYTES))
        now = self._clock.now()
        record = KeyRecord(
            key_id=api_keys.key_id(secrets.token_bytes(api_keys.ID_BYTES)),
            organisation=organisation,
            subject=wanted.subject,
            brand=wanted.brand,
            scopes=frozenset(wanted.scopes),
            last_four=text[-4:],
            created_at=now,
            display_name=wanted.display_name,
            expires_at=None if wanted.seconds is None else now + wanted.seconds,
        )
        return text, NewKey(record, self._pepper.digest(text), created_by)


def _require_grantable(wanted: Sequence[str], own: frozenset[str]) -> None:
    refused = scopes.not_grantable(wanted, own)
    if refused:
        places = [index for index, scope in enumerate(wanted) if scope in refused]
        raise InvalidArgument(
            *(Violation(f"scopes[{index}]", "not a scope that the caller can grant") for index in places)
        )


def _not_rotatable() -> FailedPrecondition:
    return FailedPrecondition("KEY_NOT_ACTIVE", "only an active key that was not rotated yet can be rotated")
