"""Reads and raises revocation epochs: the mirror for speed, the ledger for truth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from services.auth.flows.minting import Minter
from services.auth.policy import epochs
from services.auth.policy.epochs import Mark
from services.auth.ports import EpochLedger, EpochMirror
from services.kit import epochs as naming
from services.kit.caller import Caller
from services.kit.epochs import Grounds, grounds_of
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.logs import logger
from services.kit.postgres import Proven

R = TypeVar("R")


class EpochBook:
    """Fails closed: without the mirror, or without the ledger when the mirror is empty, Unavailable is raised."""

    def __init__(
        self, mirror: EpochMirror, ledger: EpochLedger, minter: Minter, changed: Callable[[], None] = lambda: None
    ) -> None:
        """`changed` is called after each rise: the feed need not wait for its next glance at the store."""
        self._mirror = mirror
        self._ledger = ledger
        self._minter = minter
        self._changed = changed

    async def read(self, organisation: str, names: Sequence[str]) -> dict[str, Mark]:
        """A mark for every name, and for every hold that may stand on one; what the mirror does not have is asked of
        the ledger, never assumed."""
        names = [*names, *naming.holds(names)]
        known = await self._mirror.read(organisation, names)
        marks = {name: mark for name, mark in zip(names, known, strict=True) if mark is not None}
        missing = [name for name in names if name not in marks]
        if missing:
            told = await self._ledger.read(self._minter.proof(organisation), missing)
            await self._mirror.fill(organisation, told)
            marks.update(told)
        return marks

    async def read_grounds(self, organisation: str, grounds: Grounds) -> dict[str, Mark]:
        """A mark for every name of `grounds`. A single token's own is looked for only where one was ever revoked.

        Otherwise each new token would be a question to the ledger and an entry in the mirror.
        """
        own = naming.token(grounds.token_id) if grounds.token_id else ""
        if not own:
            return await self.read(organisation, grounds.names())
        marks = await self.read(organisation, [*(name for name in grounds.names() if name != own), naming.ANY_TOKEN])
        known = marks.pop(naming.ANY_TOKEN)
        return marks | (await self.read(organisation, [own]) if known.epoch else {own: Mark()})

    async def change(self, organisation: str, name: str, commit: Callable[[], Awaitable[tuple[R, Mark | None]]]) -> R:
        """Runs `commit`, which raises the epoch of `name` in PostgreSQL and returns the new mark (None: unchanged).

        Raises Unavailable before anything happened, or from `commit` itself.
        """
        token = await self._mirror.withhold(organisation, name)
        try:
            result, mark = await commit()
        finally:  # also when the answer is lost: it may have happened
            self._changed()
        if mark is not None:
            try:
                await self._mirror.publish(organisation, name, mark, token)
            except Unavailable:  # committed; until the mirror is back, readers fail or ask the ledger
                logger().warning("auth.epoch_not_published")
        return result

    async def rise(self, caller: Caller, name: str, keep_until: float | None = None) -> Mark:
        """The next epoch of a name in the organisation of the caller; for `keep_until` see the port."""

        async def commit() -> tuple[Mark, Mark]:
            mark = await self._ledger.rise(caller, caller.organisation, name, keep_until)
            return mark, mark

        if name.startswith(naming.token("")) and name != naming.ANY_TOKEN:
            # First: whoever then still finds nothing under the name itself was asked before this call is answered.
            await self.rise(caller, naming.ANY_TOKEN, keep_until)
        return await self.change(caller.organisation, name, commit)

    async def next(self, proof: Proven, organisation: str, name: str) -> Mark:
        """Commits the next epoch of a name, for use within `change`."""
        return await self._ledger.rise(proof, organisation, name)

    async def turn(self, proof: Proven, organisation: str, name: str, *, hold: bool) -> bool:
        """Puts a hold on a name, or lifts it; False when it was so already."""

        async def commit() -> tuple[bool, Mark | None]:
            mark = await self._ledger.turn(proof, organisation, naming.hold(name), hold=hold)
            return mark is not None, mark

        return await self.change(organisation, naming.hold(name), commit)

    async def require_current(self, caller: Caller) -> None:
        """Raises Unauthenticated when the caller was revoked after its token was minted.

        A token lives for a minute; nobody may use that minute to make a new credential.
        """
        if not await self.stands(caller):
            raise Unauthenticated

    async def stands(self, caller: Caller) -> bool:
        """Whether nothing that the caller stands on was revoked since its token was minted."""
        grounds = grounds_of(caller)
        marks = await self.read_grounds(caller.organisation, grounds)
        return epochs.snapshot(marks, grounds) == caller.epochs and not epochs.held(marks)
