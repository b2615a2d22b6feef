"""The tools of an organisation in PostgreSQL; row-level security holds the line, every statement names it as well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from services.guardrail.policy import strict_json
from services.guardrail.policy.definition import Definition
from services.guardrail.policy.traits import traits_of
from services.guardrail.ports import Registered
from services.kit.caller import Caller
from services.kit.errors import Unavailable
from services.kit.postgres import Database

_COLUMNS = "tool, schema_json, permission, description, traits, approved_hash"
_GET = f"SELECT {_COLUMNS} FROM guardrail.tools WHERE org_id = %s AND tool = %s"  # noqa: S608 - constants
# Nobody has to approve what nobody could call before; what is approved again in the same words stays so.
_PUT = """
INSERT INTO guardrail.tools AS t (org_id, tool, schema_json, permission, description, definition_hash, changed_by,
    traits, approved_hash, approved_by)
SELECT %(org)s, %(tool)s, %(schema)s, %(permission)s, %(description)s, %(hash)s, %(user)s,
       %(traits)s, %(hash)s, %(user)s
 WHERE (SELECT count(*) FROM guardrail.tools WHERE org_id = %(org)s AND tool <> %(tool)s) < %(most)s
ON CONFLICT (org_id, tool) DO UPDATE
   SET schema_json = excluded.schema_json, permission = excluded.permission, description = excluded.description,
       definition_hash = excluded.definition_hash, changed_by = excluded.changed_by, traits = excluded.traits,
       approved_hash = CASE WHEN %(approve)s THEN excluded.definition_hash ELSE t.approved_hash END,
       approved_by = CASE WHEN %(approve)s THEN excluded.changed_by ELSE t.approved_by END,
       changed_at = clock_timestamp()
RETURNING approved_hash
"""
_APPROVE = """
UPDATE guardrail.tools SET approved_hash = definition_hash, approved_by = %s
 WHERE org_id = %s AND tool = %s AND definition_hash = %s
"""
_PERMISSIONS = "SELECT DISTINCT permission FROM guardrail.tools WHERE org_id = %s ORDER BY permission"
_PAGE = f"""
SELECT {_COLUMNS} FROM guardrail.tools
 WHERE org_id = %s AND permission = ANY (%s) AND approved_hash = definition_hash AND tool > %s ORDER BY tool LIMIT %s
"""  # noqa: S608 - constants
_WAITING = f"""
SELECT {_COLUMNS} FROM guardrail.tools
 WHERE org_id = %s AND approved_hash <> definition_hash AND tool > %s ORDER BY tool LIMIT %s
"""  # noqa: S608 - constants


class PostgresTools:
    """Implements `ports.ToolStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, caller: Caller, tool: str, *, fresh: bool = True) -> Registered | None:  # noqa: ARG002 - always fresh
        """See the port."""
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_GET, [caller.organisation, tool])).fetchone()
        return _registered(row) if row else None

    async def put(self, caller: Caller, definition: Definition, most: int, *, approve: bool) -> str | None:
        """See the port."""
        values = {
            "org": caller.organisation,
            "tool": definition.tool,
            "schema": definition.schema,
            "permission": definition.permission,
            "description": definition.description,
            "hash": definition.hash,
            "traits": strict_json.canonical(definition.traits.facts()),
            "user": caller.subject,
            "most": most,
            "approve": approve,
        }
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_PUT, values)).fetchone()
        return str(row[0]) if row else None

    async def approve(self, caller: Caller, tool: str, definition_hash: str) -> bool:
        """See the port."""
        values = [caller.subject, caller.organisation, tool, definition_hash]
        async with self._database.tenant(caller) as connection:
            return (await connection.execute(_APPROVE, values)).rowcount == 1

    async def permissions(self, caller: Caller) -> tuple[str, ...]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_PERMISSIONS, [caller.organisation])
            return tuple([row[0] async for row in rows])

    async def page(self, caller: Caller, permissions: Sequence[str], after: str, limit: int) -> tuple[Definition, ...]:
        """See the port."""
        return await self._read(caller, _PAGE, [caller.organisation, list(permissions), after, limit])

    async def waiting(self, caller: Caller, after: str, limit: int) -> tuple[Definition, ...]:
        """See the port."""
        return await self._read(caller, _WAITING, [caller.organisation, after, limit])

    async def _read(self, caller: Caller, statement: str, values: list[Any]) -> tuple[Definition, ...]:
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(statement.encode(), values)
            return tuple([_registered(row).definition async for row in rows])


def _registered(row: Sequence[Any]) -> Registered:
    """A tool that a later version registered cannot be judged by this one."""
    try:
        traits = traits_of(json.loads(row[4]))
    except (ValueError, KeyError, TypeError):
        raise Unavailable("postgres") from None
    return Registered(Definition(row[0], row[1], row[2], row[3], traits), row[5])
