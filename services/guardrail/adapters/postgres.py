"""The tools of an organisation in PostgreSQL; row-level security holds the line, every statement names it as well."""

from __future__ import annotations

from collections.abc import Sequence

from services.guardrail.policy.definition import Definition
from services.kit.caller import Caller
from services.kit.postgres import Database

_COLUMNS = "tool, schema_json, permission, description"
_GET = f"SELECT {_COLUMNS} FROM guardrail.tools WHERE org_id = %s AND tool = %s"  # noqa: S608 - constants
_PUT = """
INSERT INTO guardrail.tools (org_id, tool, schema_json, permission, description, definition_hash, changed_by)
SELECT %(org)s, %(tool)s, %(schema)s, %(permission)s, %(description)s, %(hash)s, %(user)s
 WHERE (SELECT count(*) FROM guardrail.tools WHERE org_id = %(org)s AND tool <> %(tool)s) < %(most)s
ON CONFLICT (org_id, tool) DO UPDATE
   SET schema_json = excluded.schema_json, permission = excluded.permission, description = excluded.description,
       definition_hash = excluded.definition_hash, changed_by = excluded.changed_by, changed_at = clock_timestamp()
"""
_PERMISSIONS = "SELECT DISTINCT permission FROM guardrail.tools WHERE org_id = %s ORDER BY permission"
_PAGE = f"""
SELECT {_COLUMNS} FROM guardrail.tools
 WHERE org_id = %s AND permission = ANY (%s) AND tool > %s ORDER BY tool LIMIT %s
"""  # noqa: S608 - constants


class PostgresTools:
    """Implements `ports.ToolStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, caller: Caller, tool: str) -> Definition | None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_GET, [caller.organisation, tool])).fetchone()
        return Definition(*row) if row else None

    async def put(self, caller: Caller, definition: Definition, most: int) -> bool:
        """See the port."""
        values = {
            "org": caller.organisation,
            "tool": definition.tool,
            "schema": definition.schema,
            "permission": definition.permission,
            "description": definition.description,
            "hash": definition.hash,
            "user": caller.subject,
            "most": most,
        }
        async with self._database.tenant(caller) as connection:
            return (await connection.execute(_PUT, values)).rowcount == 1

    async def permissions(self, caller: Caller) -> tuple[str, ...]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_PERMISSIONS, [caller.organisation])
            return tuple([row[0] async for row in rows])

    async def page(self, caller: Caller, permissions: Sequence[str], after: str, limit: int) -> tuple[Definition, ...]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_PAGE, [caller.organisation, list(permissions), after, limit])
            return tuple([Definition(*row) async for row in rows])
