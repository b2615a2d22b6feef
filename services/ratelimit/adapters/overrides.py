"""Grants of an operator: kept in PostgreSQL, read from memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from typing import LiteralString

from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.logs import logger
from services.kit.postgres import Database
from services.ratelimit.policy import Override

_READ: LiteralString = "SELECT org_id, limit_id, amount, expires_at FROM ratelimit.read_overrides(%s)"
_GRANT: LiteralString = "SELECT ratelimit.grant_override(%s, %s, %s, %s, %s)"
_EVERY_SECONDS = 1.0
_MOST = 10_000


class PostgresOverrides:
    """Implements `Overrides`. Another process's grant is seen within a second; while PostgreSQL is away the last known
    ones stay, each to its own end. A process that has not read them yet knows none: then the policy's numbers hold."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[Override, ...]] = {}

    def of(self, organisation: str, now: float) -> tuple[Override, ...]:
        """From memory; the same tuple while nothing changes."""
        known = self._known.get(organisation, ())
        if any(override.expires_at <= now for override in known):
            known = tuple(override for override in known if override.expires_at > now)
            self._known[organisation] = known
        return known

    async def grant(self, organisation: str, override: Override, operator: str) -> None:
        """Puts one on record and in force here at once; raises Unavailable("postgres") when it may not stand."""
        end = datetime.fromtimestamp(override.expires_at, tz=UTC)
        async with self._database.anonymous() as connection:
            await connection.execute(_GRANT, [organisation, override.limit_id, override.amount, end, operator])
        await self.refresh()

    async def refresh(self) -> None:
        """Reads all that stand; raises Unavailable("postgres")."""
        async with self._database.anonymous() as connection:
            rows = await (await connection.execute(_READ, [_MOST])).fetchall()
        found: dict[str, list[Override]] = defaultdict(list)
        for organisation, limit_id, amount, end in rows:
            found[organisation].append(Override(limit_id, amount, int(end.timestamp())))
        self._known = {organisation: tuple(overrides) for organisation, overrides in found.items()}

    async def keep_fresh(self) -> None:
        """Runs for the life of the process."""
        failing = False
        while True:
            try:
                await self.refresh()
                failing = False
            except Unavailable:
                if not failing:  # once for each outage
                    logger().warning("ratelimit.overrides_not_read")
                failing = True
            await asyncio.sleep(_EVERY_SECONDS)
