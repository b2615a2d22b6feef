"""Keeps the ledger bounded: old requests become sums of windows, old sums are forgotten."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.ratelimit.ports.ledger import Book

_DAY = 86_400
_EVERY_SECONDS = 3600.0
_FIRST_SECONDS = 60.0  # not while a fleet starts
_BREATH_SECONDS = 0.05  # between two batches: writing goes first
_MOST = 2000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """For how long: each request, and the sum of each window."""

    request_days: int = 75
    window_days: int = 400


class LedgerFolder:
    """Folds in batches, each a transaction of its own: it may be stopped at any moment, and several may run."""

    def __init__(self, book: Book, clock: Clock, kept: Kept, most: int = _MOST) -> None:
        self._book = book
        self._clock = clock
        self._kept = kept
        self._most = most

    async def run(self) -> None:
        """Every hour, until cancelled; what an outage stops is done an hour later."""
        await asyncio.sleep(_FIRST_SECONDS)
        while True:
            with suppress(Unavailable):
                if folded := await self.fold():
                    _log.info("the ledger folded %d rows into sums", folded)
            await asyncio.sleep(_EVERY_SECONDS)

    async def fold(self) -> int:
        """All that is old enough now; how many rows. Raises Unavailable("postgres"): what was folded stays folded."""
        now = self._clock.now()
        before_us = int((now - self._kept.request_days * _DAY) * 1_000_000)
        forget_s = int(now - self._kept.window_days * _DAY)
        after, total = "", 0
        while True:
            organisation, folded = await self._book.fold(after, before_us, forget_s, self._most)
            if not organisation:
                return total
            total += folded
            if folded < self._most:
                after = organisation
            await asyncio.sleep(_BREATH_SECONDS)
