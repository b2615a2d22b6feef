"""The use of API keys in PostgreSQL: one batch per organisation and minute, in an order that cannot deadlock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

from services.auth.adapters.key_rows import moment
from services.auth.ports.keys import Upgrade, Use
from services.kit.postgres import Database, Proven

MOST_ROWS = 100  # of one key: what a report shows, and what is kept

_RECORD: LiteralString = (
    "INSERT INTO auth.key_uses AS u (org_id, key_id, workload, network, last_used_at)"
    " SELECT hauberk.current_org(), n.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) AS n"
    " (key_id, workload, network, used_at) ORDER BY 2, 3, 4"
    " ON CONFLICT (org_id, key_id, workload, network) DO UPDATE SET last_used_at = excluded.last_used_at"
    " WHERE u.last_used_at < excluded.last_used_at"
)
_TRIM: LiteralString = (
    "DELETE FROM auth.key_uses AS u USING (SELECT key_id, workload, network, row_number() OVER"
    " (PARTITION BY key_id ORDER BY last_used_at DESC, workload, network) AS place FROM auth.key_uses"
    " WHERE org_id = hauberk.current_org() AND key_id = ANY (%s)) AS o WHERE u.org_id = hauberk.current_org()"
    " AND (u.key_id, u.workload, u.network) = (o.key_id, o.workload, o.network) AND o.place > %s"
)
# Whoever was quicker has made the row's digest already: its version is no longer the one that was read.
_UPGRADE: LiteralString = (
    "UPDATE auth.api_keys AS k SET digest = n.digest, pepper = n.pepper FROM unnest(%s::text[], %s::text[],"
    " %s::bytea[], %s::text[]) AS n (key_id, was, digest, pepper)"
    " WHERE k.org_id = hauberk.current_org() AND k.key_id = n.key_id AND k.pepper = n.was"
)
_LATEST: LiteralString = (
    "SELECT u.key_id, u.workload, u.network, u.last_used_at FROM unnest(%s::text[]) AS w (key_id), LATERAL"
    " (SELECT * FROM auth.key_uses WHERE org_id = hauberk.current_org() AND key_id = w.key_id"
    " ORDER BY last_used_at DESC LIMIT 1) AS u"
)
_OF_KEY: LiteralString = (
    "SELECT key_id, workload, network, last_used_at FROM auth.key_uses"
    " WHERE org_id = hauberk.current_org() AND key_id = %s ORDER BY last_used_at DESC, workload, network LIMIT %s"
)


class PostgresKeyUses:
    """`services.auth.ports.keys.UseStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, proof: Proven, uses: Sequence[Use]) -> None:
        """One statement for all, one more that keeps each key's rows bounded."""
        moments = [datetime.fromtimestamp(use.minute, UTC) for use in uses]
        columns = [[use.key_id for use in uses], [use.workload for use in uses], [use.network for use in uses]]
        async with self._database.tenant(proof) as connection:
            await connection.execute(_RECORD, [*columns, moments])
            await connection.execute(_TRIM, [sorted(set(columns[0])), MOST_ROWS])

    async def upgrade(self, proof: Proven, upgrades: Sequence[Upgrade]) -> int:
        """One statement; rows are taken in the order of their ids."""
        ordered = sorted(upgrades, key=lambda each: each.key_id)
        values: list[Any] = [
            [each.key_id for each in ordered],
            [each.was for each in ordered],
            [each.digest.value for each in ordered],
            [each.digest.pepper for each in ordered],
        ]
        async with self._database.tenant(proof) as connection:
            return (await connection.execute(_UPGRADE, values)).rowcount

    async def latest(self, proof: Proven, key_ids: Sequence[str]) -> dict[str, Use]:
        """The first entry of the index for each key."""
        async with self._database.tenant(proof) as connection:
            rows = await (await connection.execute(_LATEST, [list(key_ids)])).fetchall()
        return {row[0]: _use(row) for row in rows}

    async def of_key(self, proof: Proven, key_id: str) -> list[Use]:
        """A prefix of the index."""
        async with self._database.tenant(proof) as connection:
            rows = await (await connection.execute(_OF_KEY, [key_id, MOST_ROWS])).fetchall()
        return [_use(row) for row in rows]

    async def by_pepper(self, now: float) -> dict[str, tuple[int, int]]:
        """Through the door that counts over all organisations."""
        async with self._database.anonymous() as connection:
            rows = await (await connection.execute("SELECT * FROM auth.keys_by_pepper(%s)", [moment(now)])).fetchall()
        return {str(pepper): (int(kept), int(usable)) for pepper, kept, usable in rows}


def _use(row: tuple[Any, ...]) -> Use:
    return Use(row[0], row[1], row[2], int(row[3].timestamp()))
