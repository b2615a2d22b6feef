"""Whether a caller with a good token was revoked since: what every service asks before it believes one.

While the feed of revocations is heard, the answer comes from memory: an epoch that rose is on the feed within a moment,
and a token minted before it carries a lower number. When the feed is silent, caches are dropped and auth is asked per
call; when that fails too, nobody is believed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from services.kit.caller import Caller
from services.kit.epochs import grounds_of, holds
from services.kit.errors import Unauthenticated
from services.kit.logs import logger

SILENCE = 3.0
# Longer than a token lives, by the time that minting one may take and by what the clocks of two hosts may differ.
KEPT = 120.0
MOST = 100_000
_GLANCE = 0.2

Ask = Callable[[Caller, str], Awaitable[bool]]
"""Whether the caller of this token still stands, by the store. Raises Unavailable or DeadlineExceeded."""


@dataclass(frozen=True, slots=True)
class Rise:
    """One epoch that rose, and its place in the feed."""

    sequence: int
    organisation: str
    name: str
    epoch: int


class Guard:
    """What one process has heard. Never wrong on the side of letting in: what it cannot know, it asks."""

    def __init__(self, ask: Ask, now: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._ask = ask
        self._now = now
        self._most = most
        self._risen: dict[str, dict[str, tuple[int, float]]] = {}
        self._order: deque[tuple[float, str, str]] = deque()
        self._caches: list[Callable[[], None]] = []
        self._heard = -math.inf
        self._whole_at = math.inf  # from when on every rise within a token's life is known here
        self._dropped = True
        self.applied = 0

    def drops(self, *caches: Callable[[], None]) -> None:
        """What is to be forgotten when the feed falls silent."""
        self._caches += caches

    @property
    def silent_for(self) -> float:
        """Seconds since the feed was heard."""
        return self._now() - self._heard

    @property
    def following(self) -> bool:
        """Whether memory decides."""
        now = self._now()
        return now - self._heard <= SILENCE and now >= self._whole_at

    async def require_standing(self, caller: Caller, token: str) -> None:
        """Raises Unauthenticated for a revoked caller; Unavailable when that cannot be known now."""
        if self._overtaken(caller):
            raise Unauthenticated
        if not self.following and not await self._ask(caller, token):
            raise Unauthenticated

    def hear(self, sequence: int, rises: Iterable[Rise], *, reset: bool = False) -> None:
        """Takes over what the feed said; `reset` means that something may be missing."""
        now = self._now()
        if reset:
            self._whole_at = now + KEPT  # until then, tokens from before may have been revoked unheard
            self._drop("reset")
        elif self._whole_at == math.inf:
            self._whole_at = now
        for rise in rises:
            self._note(rise, now)
        self._expire(now)
        self._heard, self.applied, self._dropped = now, sequence, False

    def _overtaken(self, caller: Caller) -> bool:
        risen = self._risen.get(caller.organisation)
        if not risen:
            return False
        carried = grounds_of(caller).carried(caller.epochs)
        if any(risen[name][0] > epoch for name, epoch in carried.items() if name in risen):
            return True
        return any(risen[name][0] % 2 == 1 for name in holds(carried) if name in risen)

    def _note(self, rise: Rise, now: float) -> None:
        names = self._risen.setdefault(rise.organisation, {})
        names[rise.name] = (max(rise.epoch, names.get(rise.name, (0, 0.0))[0]), now)
        self._order.append((now, rise.organisation, rise.name))
        if len(self._order) > self._most:  # what is given up here must be asked for as long as it could matter
            self._forget_oldest()
            self._whole_at = now + KEPT

    def _expire(self, now: float) -> None:
        while self._order and self._order[0][0] < now - KEPT:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        heard, organisation, name = self._order.popleft()
        names = self._risen.get(organisation, {})
        if name in names and names[name][1] == heard:
            del names[name]
            if not names:
                del self._risen[organisation]

    async def keep_watch(self) -> None:
        """Runs for the life of the process: notices silence, also when nobody asks."""
        while True:
            await asyncio.sleep(_GLANCE)
            if not self._dropped and self.silent_for > SILENCE - _GLANCE:
                self._drop("silent")

    def _drop(self, why: str) -> None:
        self._dropped = True
        logger().warning("revocations.caches_dropped", why=why)
        for forget in self._caches:
            forget()
