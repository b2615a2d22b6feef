"""Keeps the embedded servers running: starts them together, restarts one that died, stops them in reverse."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from embedded.errors import ServerFailedError
from embedded.process import ManagedServer

_log = logging.getLogger("hauberk.embedded")


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next restart: at once after a calm time, then doubling up to a limit."""

    first: float = 0.1
    most: float = 5.0
    calm: float = 10.0

    def after(self, previous: float, ran_seconds: float) -> float:
        """The wait after a run of that length, given the wait before it (0: there was none)."""
        if ran_seconds >= self.calm:
            return 0.0
        return min(max(previous * 2, self.first), self.most)


class Supervisor:
    """Runs servers until `stop`. An async context manager.

    Use it on the main thread's event loop: Linux ends the servers when the thread that started them ends.
    """

    def __init__(self, servers: Sequence[ManagedServer], *, backoff: Backoff | None = None) -> None:
        self._servers = tuple(servers)
        self._backoff = backoff or Backoff()
        self._watches: list[asyncio.Task[None]] = []
        self._restarts = {server.name: 0 for server in self._servers}

    async def start(self) -> Self:
        """Start all at once; when one fails, none is left running and its ServerFailedError is raised."""
        results = await asyncio.gather(*(server.start() for server in self._servers), return_exceptions=True)
        failure = next((result for result in results if isinstance(result, BaseException)), None)
        if failure is not None:
            await self.stop()
            raise failure
        self._watches = [
            asyncio.create_task(self._watch(server), name=f"watch-{server.name}") for server in self._servers
        ]
        return self

    async def stop(self) -> None:
        """Stop watching, then stop the servers, last first."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._watches = []
        for server in reversed(self._servers):
            await server.stop()

    def pids(self) -> dict[str, int]:
        """The process id of each server that runs now, by name."""
        return {server.name: server.pid for server in self._servers if server.pid is not None}

    def restarts(self) -> dict[str, int]:
        """How often each server was started again."""
        return dict(self._restarts)

    async def _watch(self, server: ManagedServer) -> None:
        wait = 0.0
        while True:
            started = time.monotonic()
            code = await server.exited()
            wait = self._backoff.after(wait, time.monotonic() - started)
            _log.warning("%s ended with code %d, starting again in %.1f s", server.name, code, wait)
            await asyncio.sleep(wait)
            try:
                await server.start()
            except (ServerFailedError, OSError) as error:
                _log.error("%s did not come back: %s", server.name, type(error).__name__)
                continue
            self._restarts[server.name] += 1

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, _t: type[BaseException] | None, _v: BaseException | None, _tb: TracebackType | None
    ) -> None:
        await self.stop()
