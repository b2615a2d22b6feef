"""What organisations store for themselves, in PostgreSQL; row-level security holds the line, every statement names the
organisation as well.

A reading without a proven tenant would see no rows, which looks like an organisation that stored nothing: it is
refused.
"""

from __future__ import annotations

from typing import Any, LiteralString

from services.kit.caller import Caller
from services.kit.errors import Aborted, FailedPrecondition, Unavailable
from services.kit.postgres import Connection, Database
from services.redaction.policy.model import WhenLate
from services.redaction.policy.own import Choices, Own, Recognizer

_PROVEN: LiteralString = "SELECT hauberk.current_org()"
_VERSION: LiteralString = "SELECT hauberk.current_org(), (SELECT version FROM redaction.settings WHERE org_id = %s)"
_SETTINGS: LiteralString = "SELECT version, placeholders, late_names, chosen FROM redaction.settings WHERE org_id = %s"
_EVERY: LiteralString = """
SELECT entity, pattern, score, context, version, extract(epoch FROM changed_at)::float8
  FROM redaction.recognizers WHERE org_id = %s ORDER BY entity
"""
# Locks the organisation's row: its changes come one after the other, each with a version of its own.
_CHANGE: LiteralString = """
INSERT INTO redaction.settings AS s (org_id, changed_by) VALUES (%s, %s)
ON CONFLICT (org_id) DO UPDATE SET version = s.version + 1 RETURNING version, chosen
"""
_ETAG: LiteralString = "SELECT version FROM redaction.recognizers WHERE org_id = %s AND entity = %s"
_OTHERS: LiteralString = "SELECT count(*) FROM redaction.recognizers WHERE org_id = %s AND entity <> %s"
_PUT: LiteralString = """
INSERT INTO redaction.recognizers (org_id, entity, pattern, score, context, version, changed_by)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (org_id, entity) DO UPDATE SET pattern = excluded.pattern, score = excluded.score,
    context = excluded.context, version = excluded.version, changed_by = excluded.changed_by,
    changed_at = clock_timestamp()
RETURNING extract(epoch FROM changed_at)::float8
"""
_DELETE: LiteralString = "DELETE FROM redaction.recognizers WHERE org_id = %s AND entity = %s"
_CHOOSE: LiteralString = """
UPDATE redaction.settings SET placeholders = %s, late_names = %s, chosen = version, changed_by = %s,
       changed_at = clock_timestamp()
 WHERE org_id = %s RETURNING version
"""


class PostgresOwnStore:
    """Implements `ports.OwnStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self, caller: Caller) -> int:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            row = await _row(connection, _VERSION, caller.organisation)
        if row is None or row[0] != caller.organisation:
            raise Unavailable("postgres")
        return row[1] or 0

    async def read(self, caller: Caller) -> Own:
        """Settings first: what changes in between leaves an older version, which the next look notices."""
        org = caller.organisation
        async with self._database.tenant(caller) as connection:
            if await _row(connection, _PROVEN) != (org,):
                raise Unavailable("postgres")
            row = await _row(connection, _SETTINGS, org)
            rows = await connection.execute(_EVERY, [org])
            recognizers = tuple([_recognizer(*found) async for found in rows])
        if row is None:
            return Own()
        version, placeholders, late, chosen = row
        tagged = None if placeholders is None else placeholders == "tagged"
        return Own(version, Choices(tagged, WhenLate(late) if late else None, _etag(chosen)), recognizers)

    async def put(self, caller: Caller, wanted: Recognizer, most: int) -> Recognizer:
        """See the port."""
        org = caller.organisation
        async with self._database.tenant(caller) as connection:
            version, _ = await self._change(connection, caller)
            await _hold(connection, wanted.etag, org, wanted.entity)
            others = await _row(connection, _OTHERS, org, wanted.entity)
            if others is None or others[0] >= most:
                raise FailedPrecondition("TOO_MANY_RECOGNIZERS", f"an organisation has at most {most} recognizers")
            values = [org, wanted.entity, wanted.pattern, wanted.score, list(wanted.context), version, caller.subject]
            row = await _row(connection, _PUT, *values)
        changed_at = row[0] if row else 0.0
        return Recognizer(wanted.entity, wanted.pattern, wanted.score, wanted.context, _etag(version), changed_at)

    async def delete(self, caller: Caller, entity: str, etag: str) -> bool:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            await self._change(connection, caller)
            await _hold(connection, etag, caller.organisation, entity)
            done = await connection.execute(_DELETE, [caller.organisation, entity])
        return done.rowcount == 1

    async def choose(self, caller: Caller, wanted: Choices) -> Choices:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            _, chosen = await self._change(connection, caller)
            if wanted.etag and wanted.etag != _etag(chosen):
                raise _stale()
            placeholders = None if wanted.tagged is None else ("tagged" if wanted.tagged else "readable")
            late = wanted.names_late.value if wanted.names_late else None
            row = await _row(connection, _CHOOSE, placeholders, late, caller.subject, caller.organisation)
        return Choices(wanted.tagged, wanted.names_late, _etag(row[0] if row else 0))

    async def _change(self, connection: Connection, caller: Caller) -> tuple[int, int]:
        row = await _row(connection, _CHANGE, caller.organisation, caller.subject)
        if row is None:
            raise Unavailable("postgres")
        return row[0], row[1]


def _recognizer(
    entity: str, pattern: str, score: float, context: list[str], version: int, changed_at: float
) -> Recognizer:
    return Recognizer(entity, pattern, score, tuple(context), _etag(version), changed_at)


def _etag(version: int) -> str:
    return f"v{version}" if version else ""


async def _hold(connection: Connection, etag: str, org: str, entity: str) -> None:
    if etag:
        row = await _row(connection, _ETAG, org, entity)
        if etag != (_etag(row[0]) if row else ""):
            raise _stale()


def _stale() -> Aborted:
    return Aborted("ETAG_MISMATCH", "it was changed since it was read: read it again")


async def _row(connection: Connection, statement: LiteralString, *values: Any) -> tuple[Any, ...] | None:
    return await (await connection.execute(statement, values)).fetchone()
