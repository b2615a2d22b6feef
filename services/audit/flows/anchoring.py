"""Bringing checkpoints to where the database's administrator cannot reach."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from services.audit.flows.checkpoints import alarm
from services.audit.policy import Record
from services.audit.ports import Anchor, AnchorBrokenError, SealStore
from services.kit.clock import Clock
from services.kit.errors import KitError
from services.kit.logs import logger

_AT_ONCE = 100
_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Anchoring:
    """Each anchor gets every checkpoint, in order, however long it is away."""

    def __init__(
        self, store: SealStore, clock: Clock, report: Callable[[Sequence[Record]], Awaitable[int]], anchor: Anchor
    ) -> None:
        self._store, self._clock, self._report, self._anchor = store, clock, report, anchor
        self._told = False

    async def run(self) -> None:
        """Brings for ever."""
        pause = _PAUSE
        while True:
            try:
                brought = await self.once()
                pause = _PAUSE
            except (KitError, AnchorBrokenError) as error:
                logger().error("audit.not_anchored", anchor=self._anchor.name, error_class=type(error).__name__)
                await self._alarm("conflict" if isinstance(error, AnchorBrokenError) else "away")
                pause, brought = min(pause * 2, _LONGEST_PAUSE), 0
            if not brought:
                await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - jitter

    async def once(self) -> int:
        """Brings some; returns how many. Raises Unavailable, AnchorBrokenError."""
        waiting = await self._store.unanchored(self._anchor.name, _AT_ONCE)
        for signed in waiting:
            await self._anchor.put(signed)
            await self._store.mark_anchored(self._anchor.name, signed)
        self._told = self._told and not waiting
        return len(waiting)

    async def _alarm(self, cause: str) -> None:
        """Said once for each time that it is behind."""
        if self._told:
            return
        self._told = True
        try:
            await self._report(
                [alarm("anchor_behind", self._clock.now(), {"anchor": self._anchor.name, "cause": cause})]
            )
        except KitError:
            self._told = False
