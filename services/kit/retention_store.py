"""The doors of retention in PostgreSQL, each with the retention role of its service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from psycopg import sql

from services.kit.postgres import Database
from services.kit.retention import Due, Hold


class PostgresExpirer:
    """Implements `Expirer` with the retention role of a service."""

    def __init__(self, database: Database, service: str) -> None:
        self._database = database
        self._call = sql.SQL("SELECT {}.expire(%s, %s, %s, to_timestamp(%s), %s, %s::text[], %s::text[], %s)").format(
            sql.Identifier(service)
        )

    async def count(self, due: Due, holds: Sequence[Hold]) -> int:
        """See the port."""
        return await self._expire(due, holds, 0, doing=False)

    async def delete(self, due: Due, holds: Sequence[Hold], most: int) -> int:
        """See the port."""
        return await self._expire(due, holds, most, doing=True)

    async def _expire(self, due: Due, holds: Sequence[Hold], most: int, *, doing: bool) -> int:
        organisations = None if due.organisations is None else list(due.organisations)
        classes = None if due.classes is None else list(due.classes)
        held = [[hold.organisation for hold in holds], [hold.subject for hold in holds]]
        values = [due.name, organisations, classes, due.before, most, *held, doing]
        async with self._database.anonymous() as connection:
            row = await (await connection.execute(self._call, values)).fetchone()
        return int(row[0]) if row else 0


async def plans(database: Database, page: int = 1000) -> AsyncIterator[tuple[str, str]]:
    """Each organisation with its plan, by tenancy's retention role. Raises Unavailable."""
    past = ""
    while True:
        async with database.anonymous() as connection:
            cursor = await connection.execute("SELECT org_id, plan FROM tenancy.plans_of(%s, %s)", [past, page])
            rows = await cursor.fetchall()
        for organisation, plan in rows:
            yield str(organisation), str(plan)
        if len(rows) < page:
            return
        past = str(rows[-1][0])
