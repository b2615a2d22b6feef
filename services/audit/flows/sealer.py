"""The sealer: puts what came in into the chains, in batches, beside the requests."""

from __future__ import annotations

import asyncio

from services.audit.ports import SealStore
from services.kit.errors import KitError
from services.kit.logs import logger

_CHAINS = 64
_LONGEST_PAUSE = 2.0
_PARTITIONS_SECONDS = 3600.0


class Sealer:
    """`run` never ends. Any number of processes may run one: they take turns in the database."""

    def __init__(self, store: SealStore, *, seconds: float, batch: int) -> None:
        self._store = store
        self._seconds, self._batch = seconds, batch
        self._arrived = asyncio.Event()

    def poke(self) -> None:
        """Something came in."""
        self._arrived.set()

    async def flush(self, organisation: str) -> None:
        """Seals what waits of one chain: whoever reads sees what was acknowledged before. Raises Unavailable."""
        while await self._store.seal(organisation, self._batch) == self._batch:
            pass

    async def run(self) -> None:
        """Seals for ever. A little after the first event, so that those that come with it share a transaction."""
        pause = self._seconds
        while True:
            self._arrived.clear()
            try:
                sealed = await self._store.seal_waiting(_CHAINS, self._batch)
                pause = self._seconds
            except KitError as error:
                logger().warning("audit.not_sealed", error_class=type(error).__name__)
                pause = min(pause * 2, _LONGEST_PAUSE)
                sealed = 0
            if sealed < min(_CHAINS, self._batch):  # every chain that waited was sealed to its end
                await self._rest(pause)

    async def _rest(self, pause: float) -> None:
        """Another process's events poke nobody here, so it looks again by itself."""
        try:
            async with asyncio.timeout(max(pause * 5, 1.0)):
                await self._arrived.wait()
        except TimeoutError:
            return
        await asyncio.sleep(pause)

    async def make_room(self) -> None:
        """Partitions of the months to come, for ever."""
        while True:
            pause = _PARTITIONS_SECONDS
            try:
                await self._store.ensure_partitions()
            except KitError as error:
                logger().error("audit.no_partition", error_class=type(error).__name__)
                pause = _LONGEST_PAUSE
            await asyncio.sleep(pause)
