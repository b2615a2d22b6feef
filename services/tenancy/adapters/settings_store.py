"""The settings of a caller's organisation in PostgreSQL. Its role may write these columns of the row and no other."""

from __future__ import annotations

from typing import Any

from services.kit.caller import Caller
from services.kit.postgres import Database
from services.tenancy.flows.masks import hold
from services.tenancy.policy.invitations import Settings
from services.tenancy.ports.directory import SettingsChange

_COLUMNS = """
o.display_name, o.plan, o.default_zone, o.invitation_roles, o.invitation_seconds,
extract(epoch FROM o.created_at)::float8, extract(epoch FROM o.changed_at)::float8, o.etag
"""
_GET = f"SELECT {_COLUMNS} FROM tenancy.organisations o WHERE o.org_id = %s"  # noqa: S608 - constants
_UPDATE = f"""
UPDATE tenancy.organisations o
SET display_name = coalesce(%s, o.display_name), default_zone = coalesce(%s, o.default_zone),
    invitation_roles = coalesce(%s, o.invitation_roles), invitation_seconds = coalesce(%s, o.invitation_seconds)
WHERE o.org_id = %s RETURNING {_COLUMNS}
"""  # noqa: S608 - constants


class PostgresSettings:
    """Implements `ports.directory.SettingsStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, caller: Caller) -> Settings | None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_GET, [caller.organisation])).fetchone()
        return _settings(row) if row else None

    async def update(self, caller: Caller, change: SettingsChange, etag: str) -> Settings | None:
        """See the port."""
        roles = None if change.invitation_roles is None else list(change.invitation_roles)
        values = [change.display_name, change.default_zone, roles, change.invitation_seconds, caller.organisation]
        async with self._database.tenant(caller) as connection:
            found = await (await connection.execute(_GET + " FOR NO KEY UPDATE", [caller.organisation])).fetchone()
            if found is None:
                return None
            hold(etag, _settings(found).etag)
            row = await (await connection.execute(_UPDATE, values)).fetchone()
        return _settings(row) if row else None


def _settings(row: tuple[Any, ...]) -> Settings:
    name, plan, zone, roles, seconds, *rest = row
    return Settings(name, plan, zone, tuple(roles), seconds, *rest)
