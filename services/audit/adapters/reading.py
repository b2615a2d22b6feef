"""Chains for whoever reads. Row-level security holds the tenant line; every statement names the organisation, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

from services.audit.adapters.rows import LINK, SIGNED, link, moment, signed
from services.audit.policy import Head, Link, Signed
from services.audit.ports import Reader, Span, SubjectKey, Wanted
from services.kit.caller import Caller
from services.kit.postgres import Database

_WITHIN: LiteralString = "e.org_id = %(org)s AND e.at >= %(start)s AND e.at < %(end)s"
_FIND: LiteralString = (
    "SELECT " + LINK + " FROM audit.events e WHERE " + _WITHIN + " AND (e.at, e.sequence) > (%(at)s, %(sequence)s)"  # noqa: S608 - constants
    " AND (%(any)s OR e.actor = ANY (%(actors)s)) AND (%(outcome)s = '' OR e.outcome = %(outcome)s)"
    " AND (%(trace)s = '' OR e.trace_id = %(trace)s) AND (%(code)s = '' OR e.code = %(code)s)"
    " ORDER BY e.at, e.sequence LIMIT %(limit)s"
)
_STRETCH: LiteralString = (
    "SELECT coalesce(min(e.sequence), 0), coalesce(max(e.sequence), 0) FROM audit.events e WHERE " + _WITHIN  # noqa: S608 - constants
)
_LINKS: LiteralString = (
    "SELECT " + LINK + " FROM audit.events e WHERE e.org_id = %s AND e.sequence > %s AND e.sequence <= %s"  # noqa: S608 - constants
    " ORDER BY e.sequence LIMIT %s"
)
_HEAD: LiteralString = (
    "SELECT (SELECT h.sequence FROM audit.heads h WHERE h.org_id = %(org)s),"
    " (SELECT h.hash FROM audit.heads h WHERE h.org_id = %(org)s),"
    " (SELECT coalesce(max(e.sequence), 0) FROM audit.events e WHERE e.org_id = %(org)s)"
)
_CHECKPOINTS: LiteralString = (
    "SELECT c.sequence, " + SIGNED + " FROM audit.checkpoints c WHERE c.org_id = %s AND c.sequence > %s"  # noqa: S608 - constants
    " ORDER BY c.sequence LIMIT %s"
)
_BEFORE: LiteralString = (
    "SELECT " + SIGNED + " FROM audit.checkpoints c WHERE c.org_id = %s AND c.sequence <= %s"  # noqa: S608 - constants
    " ORDER BY c.sequence DESC LIMIT 1"
)
_CUT: LiteralString = (
    "SELECT " + SIGNED + " FROM audit.cuts c WHERE c.org_id = %s ORDER BY c.sequence DESC LIMIT 1"  # noqa: S608 - constants
)
_KEYS: LiteralString = (
    "SELECT key_id, kid, wrapped FROM audit.subject_keys"
    " WHERE org_id = %s AND key_id = ANY (%s) AND wrapped IS NOT NULL"
)
_KEYS_OF: LiteralString = "SELECT key_id FROM audit.subject_keys WHERE org_id = %s AND tag = ANY (%b)"
_ERASE: LiteralString = (
    "UPDATE audit.subject_keys SET tag = NULL, wrapped = NULL, erased_at = clock_timestamp()"
    " WHERE org_id = %s AND tag = ANY (%b) RETURNING key_id"
)


class PostgresReaders:
    """Implements `ports.Readers`: tenants by the service's role, the platform by the sealer's."""

    def __init__(self, database: Database, platform: Reader) -> None:
        self._database, self._platform = database, platform

    def of(self, caller: Caller) -> Reader:
        """See the port."""
        return TenantReader(self._database, caller)

    def platform(self) -> Reader:
        """See the port."""
        return self._platform

    async def erase(self, caller: Caller, tags: Sequence[bytes]) -> Sequence[str]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            cursor = await connection.execute(_ERASE, [caller.organisation, list(tags)])
            return [str(row[0]) for row in await cursor.fetchall()]


class TenantReader:
    """Implements `ports.Reader` for the caller's organisation."""

    def __init__(self, database: Database, caller: Caller) -> None:
        self._database, self._caller = database, caller

    @property
    def organisation(self) -> str:
        """See the port."""
        return self._caller.organisation

    async def find(self, span: Span, wanted: Wanted, after: tuple[int, int], limit: int) -> Sequence[Link]:
        """See the port."""
        values = {
            **self._within(span),
            "at": moment(after[0]),
            "sequence": after[1],
            "any": not wanted.actors,
            "actors": list(wanted.actors),
            "outcome": wanted.outcome,
            "trace": wanted.trace_id,
            "code": wanted.code,
            "limit": limit,
        }
        return [link(row) for row in await self._rows(_FIND, values)]

    async def stretch(self, span: Span) -> tuple[int, int]:
        """See the port."""
        ((first, last),) = await self._rows(_STRETCH, self._within(span))
        return int(first), int(last)

    async def links(self, after: int, until: int, limit: int) -> Sequence[Link]:
        """See the port."""
        return [link(row) for row in await self._rows(_LINKS, [self.organisation, after, until, limit])]

    async def head(self) -> tuple[Head, int]:
        """See the port."""
        ((sequence, tip, last),) = await self._rows(_HEAD, {"org": self.organisation})
        return (Head(int(sequence), bytes(tip)) if sequence is not None else Head()), int(last)

    async def checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Signed]]:
        """See the port."""
        rows = await self._rows(_CHECKPOINTS, [self.organisation, after, limit])
        return [(int(row[0]), signed(row[1:])) for row in rows]

    async def before(self, position: int) -> Signed | None:
        """See the port."""
        rows = await self._rows(_BEFORE, [self.organisation, position])
        return signed(rows[0]) if rows else None

    async def cut(self) -> Signed | None:
        """See the port."""
        rows = await self._rows(_CUT, [self.organisation])
        return signed(rows[0]) if rows else None

    async def keys(self, ids: Sequence[str]) -> Sequence[SubjectKey]:
        """See the port."""
        rows = await self._rows(_KEYS, [self.organisation, list(ids)])
        return [SubjectKey(str(key), str(kid), bytes(wrapped)) for key, kid, wrapped in rows]

    async def keys_of(self, tags: Sequence[bytes]) -> Sequence[str]:
        """See the port."""
        return [str(row[0]) for row in await self._rows(_KEYS_OF, [self.organisation, list(tags)])]

    async def _rows(self, statement: LiteralString, values: Any) -> list[tuple[Any, ...]]:
        async with self._database.tenant(self._caller) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(statement, values)
            return await cursor.fetchall()

    def _within(self, span: Span) -> dict[str, Any]:
        return {"org": self.organisation, "start": moment(span.start), "end": moment(span.end)}
