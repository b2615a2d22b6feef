"""Revocation epochs in PostgreSQL: the truth that every mirror is filled from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

from services.auth.policy.epochs import Mark
from services.kit.postgres import Database, Proven
from services.kit.telemetry import span

# A key's own epoch lies in its row, so that a key and its epoch are always read as of one moment.
_READ: LiteralString = (
    "SELECT name, epoch, extract(epoch FROM raised_at) FROM auth.epochs WHERE name = ANY(%s)"
    " UNION ALL SELECT 'k:' || key_id, epoch, coalesce(extract(epoch FROM epoch_at), 0)"
    " FROM auth.api_keys WHERE key_id = ANY(%s)"
)
_RISE: LiteralString = (
    "INSERT INTO auth.epochs AS e (org_id, name, epoch, raised_at, expires_at)"
    " VALUES (%s, %s, 1, clock_timestamp(), to_timestamp(%s))"
    " ON CONFLICT (org_id, name) DO UPDATE SET epoch = e.epoch + 1,"
    " raised_at = greatest(e.raised_at, clock_timestamp()),"
    # Kept for good once somebody wanted that.
    " expires_at = CASE WHEN e.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL"
    " ELSE greatest(e.expires_at, excluded.expires_at) END"
    " RETURNING epoch, extract(epoch FROM raised_at)"
)
_TURN: LiteralString = (
    "INSERT INTO auth.epochs AS e (org_id, name, epoch, raised_at)"
    " SELECT %(org)s, %(name)s, 1, clock_timestamp() WHERE %(hold)s OR EXISTS"
    " (SELECT FROM auth.epochs AS k WHERE k.org_id = %(org)s AND k.name = %(name)s)"
    " ON CONFLICT (org_id, name) DO UPDATE SET epoch = e.epoch + 1,"
    " raised_at = greatest(e.raised_at, clock_timestamp()) WHERE (e.epoch %% 2 = 1) <> %(hold)s"
    " RETURNING epoch, extract(epoch FROM raised_at)"
)


class PostgresEpochLedger:
    """`services.auth.ports.EpochLedger` over the schema `auth`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, proof: Proven, names: Sequence[str]) -> dict[str, Mark]:
        """One statement; what has no row has never risen."""
        keys = [name[2:] for name in names if name.startswith("k:")]
        with span("auth epochs from ledger"):
            async with self._database.tenant(proof) as connection:
                rows = await (await connection.execute(_READ, [list(names), keys])).fetchall()
        found = dict.fromkeys(names, Mark())
        found.update({str(row[0]): _mark(row[1:]) for row in rows})
        return found

    async def rise(self, proof: Proven, organisation: str, name: str, keep_until: float | None = None) -> Mark:
        """The next epoch, committed when this returns, and with it its place in the feed (by a trigger)."""
        async with self._database.tenant(proof) as connection:
            row = await (await connection.execute(_RISE, [organisation, name, keep_until])).fetchone()
        assert row is not None  # noqa: S101 - an upsert that returns nothing raised before
        return _mark(row)

    async def turn(self, proof: Proven, organisation: str, name: str, *, hold: bool) -> Mark | None:
        """One statement, so that two who ask at once turn it once."""
        values = {"org": organisation, "name": name, "hold": hold}
        async with self._database.tenant(proof) as connection:
            row = await (await connection.execute(_TURN, values)).fetchone()
        return None if row is None else _mark(row)


def _mark(row: Sequence[Any]) -> Mark:
    return Mark(int(row[0]), float(row[1]))
