"""Creates, imports, rotates, revokes and lists API keys."""

from __future__ import annotations

from collections.abc import Mapping

from services.auth.flows.epochs import EpochBook
from services.auth.flows.key_making import Issued, KeyMaker, Shape, Wanted
from services.auth.flows.minting import Minter
from services.auth.policy import api_keys, scopes
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.auth.ports import KeyStore, NewKey
from services.auth.ports.keys import OwnTrail, Use, UseStore
from services.kit import epochs as naming
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, NotFound, PermissionDenied
from services.kit.logs import logger

__all__ = ["Issued", "KeyManagement", "Shape", "Wanted"]

DEFAULT_GRACE_SECONDS = 7 * 86_400.0
# With a shorter grace, processes that remember the old key could outlast it: then its epoch rises as well.
SHORT_GRACE_SECONDS = 15.0
DEFAULT_PAGE = 50


class KeyManagement:
    """Every change needs a caller who is not revoked meanwhile; every store failure is Unavailable."""

    def __init__(
        self,
        store: KeyStore,
        book: EpochBook,
        maker: KeyMaker,
        minter: Minter,
        clock: Clock,
        *,
        trail: OwnTrail | None = None,
        uses: UseStore | None = None,
    ) -> None:
        self._store = store
        self._book = book
        self._minter = minter
        self._maker = maker
        self._clock = clock
        self._trail = trail
        self._uses = uses

    async def create(self, caller: Caller, wanted: Wanted) -> Issued:
        """A key for a member, with no scope that the caller does not hold."""
        await self._book.require_current(caller)
        await self._maker.require(caller.organisation, wanted, caller.scopes)
        text, new = self._maker.make(caller.organisation, wanted, caller.credential_id)
        return Issued(text, await self._store.add(caller, new))

    async def take_over(self, caller: Caller, wanted: Wanted, sha256: bytes, last_four: str) -> KeyRecord:
        """A key that was made elsewhere, known by its hash; the same bounds as for a new one."""
        await self._book.require_current(caller)
        if not self._maker.may_import(caller.organisation):
            raise FailedPrecondition(
                "IMPORT_NOT_ALLOWED", "this deployment accepts no imported keys of the organisation"
            )
        await self._maker.require(caller.organisation, wanted, caller.scopes)
        new = self._maker.take_over(caller.organisation, wanted, sha256, last_four, caller.credential_id)
        record = await self._store.add(caller, new)
        logger().info("auth.key_imported", organisation=caller.organisation, key_id=record.key_id)
        return record

    async def bootstrap(self, organisation: str, subject: str, brand: str) -> Issued:
        """A key for an organisation that has no active one, for its operator's hand: its first, or the way back in.

        It is on record in the organisation's own trail before it exists.
        """
        await self._maker.require_member(organisation, subject, brand)
        proof, now = self._minter.proof(organisation), self._clock.now()
        if await self._store.active(proof, now):
            raise _has_keys()
        wanted = Wanted(subject, brand, tuple(sorted(scopes.BOOTSTRAP)), "bootstrap")
        text, new = self._maker.make(organisation, wanted, "operator")
        facts = {"key": new.record.key_id, "subject": subject}
        if self._trail is not None:
            await self._trail.put(organisation, "auth.bootstrap_api_key", "operator", facts, first=True)
        record = await self._store.add_first(proof, new, now)
        if record is None:
            raise _has_keys()
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
        wanted = Wanted(
            old.subject,
            old.brand,
            tuple(old.scopes),
            old.display_name,
            life,
            addresses=old.addresses,
            limits=old.limits,
        )
        text, new = self._maker.make(caller.organisation, wanted, caller.credential_id)
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

    async def last_uses(self, caller: Caller, records: list[KeyRecord]) -> Mapping[str, Use]:
        """The last use of each of these keys; of those alone that were used."""
        if self._uses is None or not records:
            return {}
        return await self._uses.latest(caller, [record.key_id for record in records])

    async def uses_of(self, caller: Caller, key_id: str) -> list[Use]:
        """Who used a key, the latest first: who is still to be told that it was rotated."""
        await self._book.require_current(caller)
        if await self._store.find(caller, key_id) is None:
            raise NotFound("API key")
        return [] if self._uses is None else await self._uses.of_key(caller, key_id)

    async def by_pepper(self) -> tuple[Mapping[str, tuple[int, int]], list[str]]:
        """Keys of all organisations by version of the pepper, and the versions held, the active one first."""
        counts = {} if self._uses is None else await self._uses.by_pepper(self._clock.now())
        return counts, self._maker.peppers()

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


def _has_keys() -> FailedPrecondition:
    return FailedPrecondition("ORGANISATION_HAS_KEYS", "the organisation has an active API key")


def _not_rotatable() -> FailedPrecondition:
    return FailedPrecondition("KEY_NOT_ACTIVE", "only an active key that was not rotated yet can be rotated")
