"""API keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg.errors import UniqueViolation

from services.auth.adapters.key_rows import BY_COLUMNS, COLUMNS, moment, record_of, values_of, write_notice
from services.auth.policy.api_keys import KeyRecord
from services.auth.ports import NewKey
from services.kit.errors import AlreadyExists
from services.kit.postgres import Connection, Database, Proven
from services.kit.telemetry import span

_BY_DIGEST: LiteralString = (
    "SELECT "  # noqa: S608 - constants only
    + BY_COLUMNS
    + " FROM unnest(%s::bytea[]) AS d, LATERAL auth.key_by_digest(d) AS k LIMIT 1"
)
_INSERT: LiteralString = (
    "INSERT INTO auth.api_keys"  # noqa: S608 - constants only
    " (org_id, key_id, display_name, subject, brand, scopes, last_four, expires_at, not_before, addresses, limits, alg,"
    " digest, pepper, created_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::text[]::cidr[], %s, %s, %s, %s, %s)"
    " RETURNING " + COLUMNS
)
# A key that may still be used by somebody: not ended, and issued after whatever was revoked as a whole.
_ACTIVE: LiteralString = (
    "SELECT EXISTS (SELECT FROM auth.api_keys AS k WHERE k.org_id = hauberk.current_org() AND k.revoked_at IS NULL"
    " AND coalesce(least(k.expires_at, k.grace_until), 'infinity') > %s AND NOT EXISTS (SELECT FROM auth.epochs AS e"
    " WHERE e.org_id = k.org_id AND e.name IN ('o', 'u:' || k.subject, 'b:' || k.brand)"
    " AND e.raised_at >= k.created_at))"
)
_END: LiteralString = (
    "UPDATE auth.api_keys SET rotated_to = %s, grace_until = %s, rotated_at = clock_timestamp(),"
    " epoch = epoch + %s, epoch_at = CASE WHEN %s > 0 THEN clock_timestamp() ELSE epoch_at END"
    " WHERE org_id = %s AND key_id = %s AND rotated_to = '' AND revoked_at IS NULL"
)
_REVOKE: LiteralString = (
    "UPDATE auth.api_keys SET revoked_at = clock_timestamp(), epoch = epoch + 1, epoch_at = clock_timestamp()"
    " WHERE org_id = hauberk.current_org() AND key_id = %s AND revoked_at IS NULL"
)
_FIND_OWN: LiteralString = (
    "SELECT " + COLUMNS + " FROM auth.api_keys WHERE org_id = hauberk.current_org() AND key_id = %s"  # noqa: S608 - constants only
)
_PAGE: LiteralString = (
    "SELECT " + COLUMNS + " FROM auth.api_keys WHERE org_id = hauberk.current_org()"  # noqa: S608 - constants only
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

    async def active(self, proof: Proven, now: float) -> bool:
        """One index scan over the tenant's keys."""
        async with self._database.tenant(proof) as connection:
            return await _is_active(connection, moment(now))

    async def add_first(self, proof: Proven, new: NewKey, now: float) -> KeyRecord | None:
        """Two operators at once: the lock lets one of them be first."""
        async with self._database.tenant(proof) as connection:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('auth.first_key:' || %s, 0))", [new.record.organisation]
            )
            if await _is_active(connection, moment(now)):
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
                _END, [new.record.key_id, moment(grace_until), rise, rise, old.organisation, old.key_id]
            )
            if ended.rowcount != 1:
                return None
            body = {"rotated_to": new.record.key_id, "ends_at": int(grace_until)}
            await write_notice(connection, old.organisation, old.key_id, "rotated", body)
            return await _insert(connection, new)

    async def revoke(self, proof: Proven, key_id: str) -> KeyRecord | None:
        """Epoch and revocation in one statement."""
        async with self._database.tenant(proof) as connection:
            await connection.execute(_REVOKE, [key_id])
            return await _one(connection, _FIND_OWN, [key_id])

    async def page(self, proof: Proven, after: tuple[float, str] | None, size: int) -> list[KeyRecord]:
        """By the index that leads with the tenant."""
        created_at, key_id = after or (0.0, "")
        async with self._database.tenant(proof) as connection:
            rows = await (await connection.execute(_PAGE, [moment(created_at), key_id, size])).fetchall()
        return [record_of(row) for row in rows]


async def _is_active(connection: Connection, now: datetime) -> bool:
    row = await (await connection.execute(_ACTIVE, [now])).fetchone()
    return row is None or bool(row[0])


async def _insert(connection: Connection, new: NewKey) -> KeyRecord:
    values = [*values_of(new.record), new.digest.value, new.digest.pepper, new.created_by]
    try:
        row = await (await connection.execute(_INSERT, values)).fetchone()
    except UniqueViolation:  # only an imported hash can be somebody's already
        raise AlreadyExists("API key") from None
    assert row is not None  # noqa: S101 - an INSERT that returns nothing raised before
    return record_of(row)


async def _one(connection: Connection, statement: LiteralString, values: list[Any]) -> KeyRecord | None:
    row = await (await connection.execute(statement, values)).fetchone()
    return None if row is None else record_of(row)
