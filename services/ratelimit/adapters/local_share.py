"""The local share in memory: one number per subject and limit, the least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from services.kit.clock import Clock
from services.ratelimit.policy import Limit, Standing, local_standing, share_of

_ENTRIES = 50_000


class MemoryShare:
    """Implements `LocalShare`. What is forgotten when full is a share that was whole again, or nearly so."""

    def __init__(self, clock: Clock, share_permille: int, entries: int = _ENTRIES) -> None:
        self._clock = clock
        self.permille = share_permille
        self._entries = entries
        self._full_at: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def take(self, wanted: Sequence[tuple[tuple[str, ...], Limit, int]]) -> tuple[Standing, ...]:
        """Charges the shares of all these subjects and limits, or of none."""
        now_us = int(self._clock.now() * 1_000_000)
        standings, charged = [], {}
        for subject, limit, cost in wanted:
            key = (*subject, limit.id)
            share = share_of(limit, self.permille)
            standing, charged[key] = local_standing(limit, share, self._full_at.get(key, 0), now_us, cost)
            standings.append(standing)
        if all(standing.fits or standing.limit.observe for standing in standings):
            self._remember(charged)
        return tuple(standings)

    def _remember(self, charged: dict[tuple[str, ...], int]) -> None:
        for key, full_at_us in charged.items():
            self._full_at[key] = full_at_us
            self._full_at.move_to_end(key)
        while len(self._full_at) > self._entries:
            self._full_at.popitem(last=False)
