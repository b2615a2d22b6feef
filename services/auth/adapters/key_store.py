"""API keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

from services.auth.policy.api_keys import KeyRecord
from services.auth.ports import NewKey
from services.kit.postgres import Connection, Database, Proven
from services.kit.telemetry import span

_COLUMNS: LiteralString = (
    "key_id, org_id, subject, brand, scopes, last_four, created_at, display_name,"
    " expires_at, revoked_at, rotated_to, grace_until, epoch"
)
_BY_DIGEST: LiteralString = (
    "SELECT k.key_id, k.org_id, k.subject, k.brand, k.scopes, k.last_four, k.created_at, k.display_name,"
    " k.expires_at, k.revoked_at, k.rotated_to, k.grace_until, k.epoch"
    " FROM unnest(%s::bytea[]) AS d, LATERAL auth.key_by_digest(d) AS k LIMIT 1"
)
_INSERT: LiteralString = (
    "INSERT INTO auth.api_keys"  # noqa: S608 - constants only
    " (org_id, key_id, digest, pepper, display_name, subject, brand, scopes, last_four, created_by, expires_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING " + _COLUMNS
)
_END: LiteralString = (
    "UPDATE auth.api_keys SET rotated_to = %s, grace_until = %s,"
    " epoch = epoch + %s, epoch_at = CASE WHEN %s > 0 THEN clock_timestamp() ELSE epoch_at END"
    " WHERE org_id = %s AND key_id = %s AND rotated_to = '' AND revoked_at IS NULL"
)
_REVOKE: LiteralString = (
    "UPDATE auth.api_keys SET revoked_at = clock_timestamp(), epoch = epoch + 1, epoch_at = clock_timestamp()"
    " WHERE org_id = hauberk.current_org() AND key_id = %s AND revoked_at IS NULL"
)
_FIND_OWN: LiteralString = (
    "SELECT " + _COLUMNS + " FROM auth.api_keys WHERE org_id = hauberk.current_org() AND key_id = %s"  # noqa: S608 - constants only
)
_PAGE: LiteralString = (
    "SELECT " + _COLUMNS + " FROM auth.api_keys WHERE org_id = hauberk.current_org()"  # noqa: S608 - constants only
    " AND (created_at, key_id) > (%s, %s) ORDER BY created_at, key_id LIMIT %s"
)


class PostgresKeyStore:
    """`services.auth.ports.KeyStore` over the schema `auth`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_digest(self, digests: Sequence[bytes]) -> KeyRecord | None:
        """Through the one function that may look across organisations."""
        with span("auth key by digest"):
            async with self._database.anonymous() as connection:
                return await _one(connection, _BY_DIGEST, [list(digests)])

    async def add_first(self, proof: Proven, new: NewKey) -> KeyRecord | None:
        """Two operators at once: the lock lets one of them be first."""
        async with self._database.tenant(proof) as connection:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('auth.first_key:' || %s, 0))", [new.record.organisation]
            )
            row = await (await connection.execute("SELECT EXISTS (SELECT FROM auth.api_keys)")).fetchone()
            if row is None or row[0]:
                return None
            return await _insert(connection, new)

    async def add(self, proof: Proven, new: NewKey) -> KeyRecord:
        """A row under the caller's tenant."""
        async with self._database.tenant(proof) as connection:
            return await _insert(connection, new)

    async def find(self, proof: Proven, key_id: str) -> KeyRecord | None:
        """One row of the caller's tenant."""
        async with self._database.tenant(proof) as connection:
            return await _one(connection, _FIND_OWN, [key_id])

    async def replace(
        self, proof: Proven, old: KeyRecord, grace_until: float, new: NewKey, cut: bool
    ) -> KeyRecord | None:
        """Both rows change together, and only if nobody else ended the old key meanwhile."""
        rise = int(cut)
        async with self._database.tenant(proof) as connection:
            ended = await connection.execute(
                _END, [new.record.key_id, _moment(grace_until), rise, rise, old.organisation, old.key_id]
            )
            return await _insert(connection, new) if ended.rowcount == 1 else None

    async def revoke(self, proof: Proven, key_id: str) -> KeyRecord | None:
        """Epoch and revocation in one statement."""
        async with self._database.tenant(proof) as connection:
            await connection.execute(_REVOKE, [key_id])
            return await _one(connection, _FIND_OWN, [key_id])

    async def page(self, proof: Proven, after: tuple[float, str] | None, size: int) -> list[KeyRecord]:
        """By the index that leads with the tenant."""
        created_at, key_id = after or (0.0, "")
        async with self._database.tenant(proof) as connection:
            rows = await (await connection.execute(_PAGE, [_moment(created_at), key_id, size])).fetchall()
        return [_record(row) for row in rows]


async def _insert(connection: Connection, new: NewKey) -> KeyRecord:
    record = new.record
    row = await (
        await connection.execute(
            _INSERT,
            [
                record.organisation,
                record.key_id,
                new.digest.value,
                new.digest.pepper,
                record.display_name,
                record.subject,
                record.brand,
                sorted(record.scopes),
                record.last_four,
                new.created_by,
                None if record.expires_at is None else _moment(record.expires_at),
            ],
        )
    ).fetchone()
    assert row is not None  # noqa: S101 - an INSERT that returns nothing raised before
    return _record(row)


async def _one(connection: Connection, statement: LiteralString, values: list[Any]) -> KeyRecord | None:
    row = await (await connection.execute(statement, values)).fetchone()
    return None if row is None else _record(row)


def _record(row: tuple[Any, ...]) -> KeyRecord:
    return KeyRecord(
        key_id=row[0],
        organisation=row[1],
        subject=row[2],
        brand=row[3],
        scopes=frozenset(row[4]),
        last_four=row[5],
        created_at=row[6].timestamp(),
        display_name=row[7],
        expires_at=_seconds(row[8]),
        revoked_at=_seconds(row[9]),
        rotated_to=row[10],
        grace_until=_seconds(row[11]),
        epoch=int(row[12]),
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
