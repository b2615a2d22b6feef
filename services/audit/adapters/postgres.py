"""Chains in PostgreSQL. Row-level security holds the tenant line; every statement names the organisation as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.audit.policy import Columns, Head, Link
from services.audit.ports import Span
from services.kit.caller import Caller
from services.kit.postgres import Database

# Microseconds as whole numbers: floating point would not hold them.
_US = "(extract(epoch FROM e.at) * 1000000)::bigint"
_MOMENT = "(timestamptz 'epoch' + {} * interval '1 microsecond')"
_COLUMNS = f"e.sequence, e.canonical, e.prev, e.hash, e.event_id, {_US}, e.code, e.class, e.outcome, e.actor"
_WITHIN = f"e.org_id = %(org)s AND e.at >= {_MOMENT.format('%(start)s')} AND e.at < {_MOMENT.format('%(end)s')}"
_FIND = f"""
SELECT {_COLUMNS} FROM audit.events e
WHERE {_WITHIN} AND (e.at, e.sequence) > ({_MOMENT.format("%(at)s")}, %(sequence)s)
ORDER BY e.at, e.sequence LIMIT %(limit)s
"""  # noqa: S608 - constants
_STRETCH = f"""
SELECT coalesce(min(e.sequence), 0), coalesce(max(e.sequence), 0) FROM audit.events e WHERE {_WITHIN}
"""  # noqa: S608 - constants
_LINKS = f"""
SELECT {_COLUMNS} FROM audit.events e
WHERE e.org_id = %s AND e.sequence > %s AND e.sequence <= %s ORDER BY e.sequence LIMIT %s
"""  # noqa: S608 - constants
_HEAD = """
SELECT (SELECT h.sequence FROM audit.heads h WHERE h.org_id = %(org)s),
       (SELECT h.hash FROM audit.heads h WHERE h.org_id = %(org)s),
       (SELECT coalesce(max(e.sequence), 0) FROM audit.events e WHERE e.org_id = %(org)s)
"""


class PostgresAudit:
    """Implements `ports.AuditStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, bodies: Mapping[str, Sequence[bytes]]) -> int:
        """See the port."""
        stored = 0
        async with self._database.anonymous() as connection:
            for organisation in sorted(bodies):  # one order of locks for everybody
                cursor = await connection.execute(
                    "SELECT audit.append(%s, %b)", [organisation, list(bodies[organisation])]
                )
                row = await cursor.fetchone()
                stored += int(row[0]) if row else 0
        return stored

    async def find(self, caller: Caller, span: Span, after: tuple[int, int], limit: int) -> Sequence[Link]:
        """See the port."""
        values = {"at": after[0], "sequence": after[1], "limit": limit}
        return await self._links(caller, _FIND, values | _within(caller, span))

    async def stretch(self, caller: Caller, span: Span) -> tuple[int, int]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            cursor = await connection.execute(_STRETCH, _within(caller, span))
            row = await cursor.fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    async def links(self, caller: Caller, after: int, until: int, limit: int) -> Sequence[Link]:
        """See the port."""
        return await self._links(caller, _LINKS, [caller.organisation, after, until, limit])

    async def head(self, caller: Caller) -> tuple[Head, int]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            cursor = await connection.execute(_HEAD, {"org": caller.organisation})
            row = await cursor.fetchone()
        if row is None or row[0] is None:
            return Head(), int(row[2]) if row else 0
        return Head(int(row[0]), bytes(row[1])), int(row[2])

    async def _links(self, caller: Caller, statement: str, values: Any) -> Sequence[Link]:
        async with self._database.tenant(caller) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(statement, values)
            return [_link(row) for row in await cursor.fetchall()]


def _within(caller: Caller, span: Span) -> dict[str, Any]:
    return {"org": caller.organisation, "start": span.start, "end": span.end}


def _link(row: tuple[Any, ...]) -> Link:
    sequence, canonical, prev, tip, *columns = row
    return Link(sequence, canonical, prev, tip, Columns(*columns))
