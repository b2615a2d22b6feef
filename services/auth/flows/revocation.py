"""Revokes what was issued so far to a subject of the caller's organisation."""

from __future__ import annotations

from services.auth.flows.epochs import EpochBook
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import InvalidArgument
from services.kit.logs import logger

# No issuer's token is accepted that lives longer than a day; an hour is for clocks.
TOKEN_SECONDS = 90_000.0
SURPLUS_SECONDS = 3_600.0
LATEST_SECONDS = 90 * 86_400.0


class Revocation:
    """Committed in PostgreSQL when it returns. Raises Unavailable; the caller then asks again."""

    def __init__(self, book: EpochBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    async def revoke(self, caller: Caller, name: str) -> int:
        """The new epoch of a name of `services.kit.epochs`."""
        return await self._rise(caller, name, None)

    async def revoke_token(self, caller: Caller, name: str, expires_at: float) -> int:
        """The new epoch of one token of an issuer, kept until nobody would accept that token anyway."""
        now = self._clock.now()
        if expires_at > now + LATEST_SECONDS:
            raise InvalidArgument.of("expires_at", "at most 90 days from now")
        return await self._rise(caller, name, max(now + TOKEN_SECONDS, expires_at + SURPLUS_SECONDS))

    async def _rise(self, caller: Caller, name: str, keep_until: float | None) -> int:
        await self._book.require_current(caller)
        mark = await self._book.rise(caller, name, keep_until)
        logger().info("auth.subject_revoked", organisation=caller.organisation, what=name[0], epoch=mark.epoch)
        return mark.epoch
