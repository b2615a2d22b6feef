"""Revokes everything that was issued so far to a user, a brand or the whole organisation of the caller."""

from __future__ import annotations

from services.auth.flows.epochs import EpochBook
from services.kit.caller import Caller
from services.kit.logs import logger


class Revocation:
    """Committed in PostgreSQL when it returns. Raises Unavailable; the caller then asks again."""

    def __init__(self, book: EpochBook) -> None:
        self._book = book

    async def revoke(self, caller: Caller, name: str) -> int:
        """The new epoch of a name of `services.auth.policy.epochs`."""
        await self._book.require_current(caller)
        mark = await self._book.rise(caller, name)
        logger().info("auth.subject_revoked", organisation=caller.organisation, what=name[0], epoch=mark.epoch)
        return mark.epoch
