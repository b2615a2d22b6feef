"""The operator's doors in PostgreSQL. No tenant is set; the functions behind them do lifecycle and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.kit.postgres import Database
from services.tenancy.flows.masks import hold
from services.tenancy.policy import Organisation, Status

_COLUMNS = """
org_id, display_name, plan, status, extract(epoch FROM created_at)::float8, extract(epoch FROM changed_at)::float8, etag
"""


class PostgresLifecycle:
    """Implements `ports.Lifecycle`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, organisation: str, display_name: str, plan: str, first_brand: str, first_admin: str, request_id: str
    ) -> Organisation | None:
        """See the port."""
        values = [organisation, display_name, plan, first_brand, first_admin, request_id]
        return await self._one("tenancy.create_organisation(%s, %s, %s, %s, %s, %s)", values)

    async def get(self, organisation: str) -> Organisation | None:
        """See the port."""
        return await self._one("tenancy.get_organisation(%s)", [organisation])

    async def list(self, after: str, limit: int) -> tuple[Organisation, ...]:
        """See the port."""
        return await self._all("tenancy.list_organisations(%s, %s)", [after, limit])

    async def update(
        self, organisation: str, name: str | None, plan: str | None, status: Status | None, etag: str
    ) -> Organisation | None:
        """See the port."""
        values = [organisation, name, plan, status.value if status else None, etag]
        made = await self._one("tenancy.update_organisation(%s, %s, %s, %s, %s)", values)
        if made is None and etag and await self.get(organisation):
            hold(etag, None)
        return made

    async def _one(self, door: str, values: Sequence[str | None]) -> Organisation | None:
        found = await self._all(door, values)
        return found[0] if found else None

    async def _all(self, door: str, values: Sequence[str | int | None]) -> tuple[Organisation, ...]:
        async with self._database.anonymous() as connection:
            rows = await connection.execute(f"SELECT {_COLUMNS} FROM {door}", values)  # noqa: S608 - constants
            return tuple([_organisation(row) async for row in rows])


def _organisation(row: tuple[Any, ...]) -> Organisation:
    return Organisation(row[0], row[1], row[2], Status(row[3]), *row[4:])
