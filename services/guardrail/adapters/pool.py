"""Where texts are looked at: short ones at once, long ones in a few threads so that the event loop keeps answering."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.guardrail.ports import Result
from services.kit.errors import Exhausted
from services.kit.telemetry import Attr, span


class WorkPool:
    """Implements `ports.Worker`."""

    def __init__(self, *, offload_characters: int, workers: int, waiting: int) -> None:
        self._offload = offload_characters
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="guardrail")
        self._places = workers + waiting
        self._busy = 0

    async def run(self, characters: int, work: Callable[[], Result]) -> Result:
        """See the port."""
        with span("guardrail rules", {Attr.CHARACTERS: characters}):
            if characters <= self._offload:
                return work()
            return await self._elsewhere(work)

    async def _elsewhere(self, work: Callable[[], Result]) -> Result:
        if self._busy >= self._places:
            raise Exhausted("too many long texts are being looked at")
        self._busy += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # The place is free when the thread is, also when the caller has gone away meanwhile.
        running.add_done_callback(self._release)
        return await asyncio.shield(running)

    def _release(self, done: asyncio.Future[Any]) -> None:
        self._busy -= 1
        if not done.cancelled():
            done.exception()

    def close(self) -> None:
        """Lets running work end."""
        self._threads.shutdown(wait=True, cancel_futures=True)
