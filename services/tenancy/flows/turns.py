"""So many at once for each organisation: what one asks for waits for itself, not for the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Holds nothing for an organisation of which nothing runs or waits."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._organisations: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def of(self, organisation: str) -> AsyncIterator[None]:
        """Waits for a turn, in order of arrival."""
        turn, users = self._organisations.get(organisation) or (asyncio.Semaphore(self._most), 0)
        self._organisations[organisation] = (turn, users + 1)
        try:
            async with turn:
                yield
        finally:
            turn, users = self._organisations.pop(organisation)
            if users > 1:
                self._organisations[organisation] = (turn, users - 1)

    def busy(self, organisation: str) -> bool:
        """Whether a newcomer would wait."""
        found = self._organisations.get(organisation)
        return found is not None and found[0].locked()
