"""A key that was found where it should not be. Whoever shows the key itself is believed; nobody learns anything."""

from __future__ import annotations

from services.auth.flows.api_keys import ApiKeyVerifier
from services.auth.flows.epochs import EpochBook
from services.auth.flows.minting import Minter
from services.auth.policy.api_keys import LEAK_GRACE_SECONDS, KeyRecord, OnLeak
from services.auth.policy.epochs import Mark
from services.auth.ports import KeyStore
from services.auth.ports.keys import LeakStore, OwnTrail
from services.kit import epochs as naming
from services.kit.clock import Clock
from services.kit.logs import logger


class LeakReports:
    """Does what the organisation decided; revokes when it decided nothing. Raises Unavailable, then ask again."""

    def __init__(
        self,
        verifier: ApiKeyVerifier,
        keys: KeyStore,
        kept: LeakStore,
        book: EpochBook,
        minter: Minter,
        trail: OwnTrail,
        clock: Clock,
    ) -> None:
        self._verifier = verifier
        self._keys = keys
        self._kept = kept
        self._book = book
        self._minter = minter
        self._trail = trail
        self._clock = clock

    async def report(self, text: str, source: str, workload: str) -> None:
        """Unknown, ended and malformed keys come back the same way as the others."""
        digests = self._verifier.known(text)
        record = await self._keys.by_digest([digest.value for digest in digests]) if digests else None
        if record is None or record.revoked_at is not None:
            return
        action = await self._kept.on_leak(self._minter.proof(record.organisation))
        changed = await self._act(record, action)
        if changed is None:
            return
        logger().warning("auth.key_leaked", organisation=record.organisation, key_id=record.key_id, action=action.value)
        facts = {"key": record.key_id, "action": action.value, "source": source or "unsaid"}
        await self._trail.put(record.organisation, "auth.api_key_leaked", workload, facts)

    async def _act(self, record: KeyRecord, action: OnLeak) -> KeyRecord | None:
        proof = self._minter.proof(record.organisation)
        ends_at = self._clock.now() + LEAK_GRACE_SECONDS
        if action is not OnLeak.REVOKE:
            return await self._kept.leaked(proof, record.key_id, action, ends_at)

        async def commit() -> tuple[KeyRecord | None, Mark | None]:
            ended = await self._kept.leaked(proof, record.key_id, action, ends_at)
            return ended, None if ended is None else Mark(ended.epoch, ended.revoked_at or 0.0)

        return await self._book.change(record.organisation, naming.key(record.key_id), commit)
