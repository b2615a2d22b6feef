"""Cases in PostgreSQL: of one organisation under row-level security, or of all by the doors of who watches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from services.audit.adapters.sealing import PostgresSealing
from services.audit.flows.incidents import Desk
from services.audit.ports import Readers, SubjectKey
from services.audit.response_ports import Case, Document
from services.kit.caller import Caller
from services.kit.postgres import Database

_ROW: LiteralString = "c.org_id, c.kind, c.case_id, c.state, c.document, c.parent, c.made_at, c.due_at"
_PUT: LiteralString = (
    "INSERT INTO audit.cases (org_id, kind, case_id, parent, state, due_at, document)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING true"
)
_MOVE: LiteralString = (
    "UPDATE audit.cases SET state = %s, due_at = %s, document = %s"
    " WHERE org_id = %s AND kind = %s AND case_id = %s AND state = ANY (%s) RETURNING true"
)
_GET: LiteralString = "SELECT " + _ROW + " FROM audit.cases AS c WHERE c.org_id = %s AND c.kind = %s AND c.case_id = %s"  # noqa: S608 - constants
_BELOW: LiteralString = (
    "SELECT " + _ROW + " FROM audit.cases AS c WHERE c.org_id = %s AND c.parent = %s AND c.parent <> ''"  # noqa: S608 - constants
    " ORDER BY c.case_id LIMIT 64"
)
_BEFORE: LiteralString = (
    "SELECT " + _ROW + " FROM audit.cases AS c WHERE c.org_id = %(org)s AND c.kind = %(kind)s"  # noqa: S608 - constants
    " AND (%(state)s = '' OR c.state = %(state)s) AND (c.made_at, c.case_id) < (%(at)s, %(id)s)"
    " ORDER BY c.made_at DESC, c.case_id DESC LIMIT %(limit)s"
)
_WIDE_GET: LiteralString = "SELECT " + _ROW + " FROM audit.case_get(%s, %s, %s) AS c"  # noqa: S608 - constants
_WIDE_BELOW: LiteralString = "SELECT " + _ROW + " FROM audit.cases_below(%s, %s) AS c"  # noqa: S608 - constants
_WIDE_BEFORE: LiteralString = "SELECT " + _ROW + " FROM audit.cases_before(%s, %s, %s, %s, %s, %s) AS c"  # noqa: S608 - constants
_WIDE_DUE: LiteralString = "SELECT " + _ROW + " FROM audit.cases_due(%s, %s, %s, %s) AS c"  # noqa: S608 - constants
FAR = 253_402_300_799.0
"""Later than anything."""


class TenantCases:
    """Implements `response_ports.Cases` for the caller's organisation."""

    def __init__(self, database: Database, caller: Caller) -> None:
        self._database, self._caller = database, caller

    async def put(self, case: Case) -> bool:
        """See the port."""
        values = [case.organisation, case.kind, case.id, case.parent, case.state, _moment(case.due), _json(case)]
        return bool(await self._rows(_PUT, values))

    async def move(self, case: Case, was: Sequence[str]) -> bool:
        """See the port."""
        values = [case.state, _moment(case.due), _json(case), case.organisation, case.kind, case.id, list(was)]
        return bool(await self._rows(_MOVE, values))

    async def get(self, organisation: str, kind: str, case_id: str) -> Case | None:
        """See the port."""
        return _one(await self._rows(_GET, [organisation, kind, case_id]))

    async def below(self, organisation: str, parent: str) -> Sequence[Case]:
        """See the port."""
        return [_case(row) for row in await self._rows(_BELOW, [organisation, parent])]

    async def before(
        self, organisation: str, kind: str, state: str, place: tuple[float, str], limit: int
    ) -> Sequence[Case]:
        """See the port."""
        values = {"org": organisation, "kind": kind, "state": state, "id": place[1], "limit": limit}
        return [_case(row) for row in await self._rows(_BEFORE, {**values, "at": _exact(place[0])})]

    async def _rows(self, statement: LiteralString, values: Any) -> list[tuple[Any, ...]]:
        async with self._database.tenant(self._caller) as connection:
            return await (await connection.execute(statement, values)).fetchall()


class WideCases:
    """Implements `response_ports.Watch`."""

    def __init__(self, store: PostgresSealing) -> None:
        self._store = store

    async def put(self, case: Case) -> bool:
        """See the port."""
        values = [case.organisation, case.kind, case.id, case.parent, case.state, _moment(case.due), _json(case)]
        return bool((await self._store.rows("SELECT audit.case_put(%s, %s, %s, %s, %s, %s, %s)", values))[0][0])

    async def move(self, case: Case, was: Sequence[str]) -> bool:
        """See the port."""
        values = [case.organisation, case.kind, case.id, list(was), case.state, _moment(case.due), _json(case)]
        return bool((await self._store.rows("SELECT audit.case_move(%s, %s, %s, %s, %s, %s, %s)", values))[0][0])

    async def get(self, organisation: str, kind: str, case_id: str) -> Case | None:
        """See the port."""
        return _one(await self._store.rows(_WIDE_GET, [organisation, kind, case_id]))

    async def below(self, organisation: str, parent: str) -> Sequence[Case]:
        """See the port."""
        return [_case(row) for row in await self._store.rows(_WIDE_BELOW, [organisation, parent])]

    async def before(
        self, organisation: str, kind: str, state: str, place: tuple[float, str], limit: int
    ) -> Sequence[Case]:
        """See the port."""
        values = [organisation, kind, state, _exact(place[0]), place[1], limit]
        return [_case(row) for row in await self._store.rows(_WIDE_BEFORE, values)]

    async def due(self, kind: str, states: Sequence[str], now: float, limit: int) -> Sequence[Case]:
        """See the port."""
        return [_case(row) for row in await self._store.rows(_WIDE_DUE, [kind, list(states), _exact(now), limit])]

    async def recent(self, organisation: str, since: float) -> int:
        """See the port."""
        rows = await self._store.rows("SELECT audit.cases_recent(%s, %s)", [organisation, _exact(since)])
        return int(rows[0][0])

    async def turn(self, holder: str, seconds: float) -> Document | None:
        """See the port."""
        rows = await self._store.rows("SELECT * FROM audit.watch_turn(%s, %s)", [holder, seconds])
        return dict(rows[0][0]) if rows else None

    async def end(self) -> int:
        """See the port."""
        return int((await self._store.rows("SELECT audit.watch_end()", []))[0][0])

    async def keys(self, organisation: str, ids: Sequence[str]) -> Sequence[SubjectKey]:
        """See the port."""
        statement: LiteralString = "SELECT key_id, kid, wrapped FROM audit.watch_keys(%s, %s)"
        rows = await self._store.rows(statement, [organisation, list(ids)])
        return [SubjectKey(str(key), str(kid), bytes(wrapped)) for key, kid, wrapped in rows]


class CaseDesks:
    """Implements `flows.incidents.Desks`."""

    def __init__(self, database: Database, wide: WideCases, readers: Readers) -> None:
        self._database, self._wide, self._readers = database, wide, readers

    def of(self, caller: Caller) -> Desk:
        """See the port."""
        return Desk(caller.organisation, TenantCases(self._database, caller), self._readers.of(caller))

    def platform(self) -> Desk:
        """See the port."""
        return Desk("", self._wide, self._readers.platform())


def _one(rows: Sequence[tuple[Any, ...]]) -> Case | None:
    return _case(rows[0]) if rows else None


def _case(row: tuple[Any, ...]) -> Case:
    organisation, kind, case_id, state, document, parent, made, due = row
    return Case(
        str(organisation),
        str(kind),
        str(case_id),
        str(state),
        document,
        str(parent),
        made.timestamp(),
        due.timestamp() if due else 0.0,
    )


def _json(case: Case) -> Jsonb:
    return Jsonb(dict(case.document))


def _exact(at: float) -> datetime:
    return datetime.fromtimestamp(min(at, FAR), UTC)


def _moment(due: float) -> datetime | None:
    return _exact(due) if due else None
