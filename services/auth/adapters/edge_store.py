"""Edges of brands in PostgreSQL, and the marks of solved challenges in Redis."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from services.auth.ports.edge import EdgeRow
from services.kit.postgres import Database, Proven
from services.kit.redis import RedisStore, Script
from services.kit.telemetry import span

MOST_EDGES = 2_000  # of one organisation
_SHARDS = 256

_COLUMNS: LiteralString = "org_id, brand, version, rules, secret, previous_secret, previous_until"
_BY_DOOR: LiteralString = "SELECT " + _COLUMNS + " FROM auth.edge_of_brand(%s, %s)"  # noqa: S608
_OWN: LiteralString = "org_id = hauberk.current_org()"
_FIND: LiteralString = "SELECT " + _COLUMNS + " FROM auth.brand_edges WHERE " + _OWN + " AND brand = %s"  # noqa: S608
_INSERT: LiteralString = """
INSERT INTO auth.brand_edges (org_id, brand, version, rules, secret, previous_secret, previous_until, updated_by)
SELECT %s, %s, %s, %s, %s, %s, %s, %s
 WHERE (SELECT count(*) FROM auth.brand_edges WHERE org_id = hauberk.current_org()) < %s
ON CONFLICT (org_id, brand) DO NOTHING RETURNING version
"""
_UPDATE: LiteralString = """
UPDATE auth.brand_edges SET version = %s, rules = %s, secret = %s, previous_secret = %s, previous_until = %s,
       updated_by = %s, updated_at = clock_timestamp()
 WHERE org_id = hauberk.current_org() AND brand = %s AND version = %s RETURNING version
"""
# Counts and starts the window in one step: a counter without an end would lock an address out for ever.
_COUNT = Script(
    "auth challenge count",
    """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
""",
)


class PostgresEdgeStore:
    """`services.auth.ports.edge.EdgeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_brand(self, organisation: str, brand: str) -> EdgeRow | None:
        """Through the one door that needs no tenant."""
        with span("postgres auth edge of brand"):
            async with self._database.anonymous() as connection:
                row = await (await connection.execute(_BY_DOOR, [organisation, brand])).fetchone()
        return None if row is None else _row(row)

    async def find(self, proof: Proven, brand: str) -> EdgeRow | None:
        """Row-level security leaves only the proven organisation's."""
        async with self._database.tenant(proof) as connection:
            row = await (await connection.execute(_FIND, [brand])).fetchone()
        return None if row is None else _row(row)

    async def put(self, proof: Proven, row: EdgeRow, by: str) -> bool:
        """The version decides between two at once."""
        until = None if row.previous_until is None else datetime.fromtimestamp(row.previous_until, UTC)
        kept = [row.version, Jsonb(dict(row.rules)), row.secret, row.previous_secret, until, by]
        async with self._database.tenant(proof) as connection:
            if row.version == 1:
                values = [row.organisation, row.brand, *kept, MOST_EDGES]
                done = await connection.execute(_INSERT, values)
            else:
                done = await connection.execute(_UPDATE, [*kept, row.brand, row.version - 1])
            return await done.fetchone() is not None


class RedisReplayMarks:
    """`services.auth.ports.edge.ReplayMarks`."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    async def claim(self, digest: str, owner: str, seconds: int) -> bool:
        """One round trip; another only for a token that was seen."""
        key = f"hk:auth:challenge:{digest}"
        with span("redis auth challenge claim"), self._store.guard():
            if await self._store.client.set(key, owner, ex=seconds, nx=True):
                return True
            found = await self._store.client.get(key)
        return isinstance(found, bytes) and found == owner.encode()

    async def count(self, address: str, seconds: int) -> int:
        """The address itself is not kept."""
        digest = hashlib.sha256(address.encode()).hexdigest()[:32]
        key = f"hk:auth:{{addr:{int(digest[:4], 16) % _SHARDS}}}:challenge:{digest}"
        return int(await self._store.run(_COUNT, [key], [seconds]))


def _row(row: tuple[Any, ...]) -> EdgeRow:
    return EdgeRow(
        organisation=row[0],
        brand=row[1],
        version=int(row[2]),
        rules=row[3],
        secret=bytes(row[4]),
        previous_secret=bytes(row[5]),
        previous_until=None if row[6] is None else row[6].timestamp(),
    )
