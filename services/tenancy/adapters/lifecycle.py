"""The operator's three doors in PostgreSQL. No tenant is set; the functions behind them do lifecycle and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.kit.postgres import Database
from services.tenancy.policy import Organisation, Status

_COLUMNS = "org_id, display_name, plan, status, extract(epoch FROM created_at)::float8"


class PostgresLifecycle:
    """Implements `ports.Lifecycle`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, organisation: str, display_name: str, plan: str, first_brand: str, first_admin: str
    ) -> Organisation | None:
        """See the port."""
        values = [organisation, display_name, plan, first_brand, first_admin]
        return await self._one("tenancy.create_organisation(%s, %s, %s, %s, %s)", values)

    async def get(self, organisation: str) -> Organisation | None:
        """See the port."""
        return await self._one("tenancy.get_organisation(%s)", [organisation])

    async def update(self, organisation: str, plan: str | None, status: Status | None) -> Organisation | None:
        """See the port."""
        values = [organisation, plan, status.value if status else None]
        return await self._one("tenancy.update_organisation(%s, %s, %s)", values)

    async def _one(self, door: str, values: Sequence[str | None]) -> Organisation | None:
        async with self._database.anonymous() as connection:
            cursor = await connection.execute(f"SELECT {_COLUMNS} FROM {door}", values)  # noqa: S608 - constants
            row: tuple[Any, ...] | None = await cursor.fetchone()
        return Organisation(row[0], row[1], row[2], Status(row[3]), row[4]) if row else None
