"""Reads and raises revocation epochs: the mirror for speed, the ledger for truth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from services.auth.flows.minting import Minter
from services.auth.policy import epochs
from services.auth.policy.epochs import Mark
from services.auth.ports import EpochLedger, EpochMirror
from services.kit.caller import Caller
from services.kit.epochs import grounds_of
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.logs import logger

R = TypeVar("R")


class EpochBook:
    """Fails closed: without the mirror, or without the ledger when the mirror is empty, Unavailable is raised."""

    def __init__(self, mirror: EpochMirror, ledger: EpochLedger, minter: Minter) -> None:
        self._mirror = mirror
        self._ledger = ledger
        self._minter = minter

    async def read(self, organisation: str, names: Sequence[str]) -> dict[str, Mark]:
        """A mark for every name; one the mirror does not have is asked of the ledger, never assumed."""
        known = await self._mirror.read(organisation, names)
        marks = {name: mark for name, mark in zip(names, known, strict=True) if mark is not None}
        missing = [name for name in names if name not in marks]
        if missing:
            told = await self._ledger.read(self._minter.proof(organisation), missing)
            await self._mirror.fill(organisation, told)
            marks.update(told)
        return marks

    async def change(self, organisation: str, name: str, commit: Callable[[], Awaitable[tuple[R, Mark | None]]]) -> R:
        """Runs `commit`, which raises the epoch of `name` in PostgreSQL and returns the new mark (None: unchanged).

        Raises Unavailable before anything happened, or from `commit` itself.
        """
        token = await self._mirror.withhold(organisation, name)
        result, mark = await commit()
        if mark is not None:
            try:
                await self._mirror.publish(organisation, name, mark, token)
            except Unavailable:  # committed; until the mirror is back, readers fail or ask the ledger
                logger().warning("auth.epoch_not_published")
        return result

    async def rise(self, caller: Caller, name: str) -> Mark:
        """The next epoch of a user, a brand or the organisation of the caller."""

        async def commit() -> tuple[Mark, Mark]:
            mark = await self._ledger.rise(caller, caller.organisation, name)
            return mark, mark

        return await self.change(caller.organisation, name, commit)

    async def require_current(self, caller: Caller) -> None:
        """Raises Unauthenticated when the caller was revoked after its token was minted.

        A token lives for a minute; nobody may use that minute to make a new credential.
        """
        grounds = grounds_of(caller)
        marks = await self.read(caller.organisation, grounds.names())
        if epochs.snapshot(marks, grounds) != caller.epochs:
            raise Unauthenticated
