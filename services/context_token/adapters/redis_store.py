"""Sealed bodies in Redis: one script a step, every key of an organisation in its own slot."""

from __future__ import annotations

import hashlib
from pathlib import Path

from services.context_token.policy.causes import Cause
from services.context_token.policy.model import Grant
from services.kit.clock import Clock
from services.kit.redis import RedisStore, Script


def _script(name: str) -> Script:
    return Script(f"context.{name}", Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8"))


_ISSUE, _TAKE, _REVOKE = _script("issue"), _script("take"), _script("revoke")
_CAUSES = {cause.value.encode(): cause for cause in (Cause.GONE, Cause.REVOKED, Cause.REPLAYED)}


class RedisBodyStore:
    """`services.context_token.ports.BodyStore` under `hk:ctx:{org}:<digest of the handle>`."""

    def __init__(self, store: RedisStore, clock: Clock, *, most_live: int, retry_seconds: int) -> None:
        self._store = store
        self._clock = clock
        self._most_live = most_live
        self._retry = retry_seconds * 1000

    async def put(self, grant: Grant, record: bytes, seconds: float) -> bool:
        """One round trip; expired tokens of the user are no longer counted."""
        member = _digest(grant.handle)
        life = max(1, round(seconds * 1000))
        return bool(await self._store.run(_ISSUE, _keys(grant), [record, life, member, self._most_live]))

    async def take(self, grant: Grant, consumer: str) -> bytes | Cause:
        """One round trip; first come, first served is decided by Redis alone."""
        args: list[str | bytes | int] = [int(grant.single_use), consumer, self._retry, _digest(grant.handle)]
        answer = await self._store.run(_TAKE, _keys(grant), args)
        if answer[0] == b"":
            return bytes(answer[1])
        return _CAUSES.get(answer[0], Cause.UNSPECIFIED)

    async def revoke(self, grant: Grant) -> None:
        """Kept a moment longer than the token, whose end every process reads off its own clock."""
        left = round((grant.expires_at - self._clock.now()) * 1000) + 10_000
        await self._store.run(_REVOKE, _keys(grant), [max(1, left), _digest(grant.handle)])


def _keys(grant: Grant) -> tuple[str, str, str]:
    stem = f"hk:ctx:{{{grant.organisation}}}:"
    body = stem + _digest(grant.handle)
    return body, f"{body}:s", f"{stem}live:{_digest(grant.subject)[:32]}"


def _digest(text: str) -> str:
    """Reading the store gives nobody a handle, and no name of a user."""
    return hashlib.sha256(text.encode()).hexdigest()
