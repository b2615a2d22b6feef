"""The facts of resources in PostgreSQL.

Row-level security holds the tenant line; every statement names the organisation as well, so that either alone would do.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from services.kit.caller import Caller
from services.kit.errors import FailedPrecondition, InvalidArgument
from services.kit.postgres import Connection, Database
from services.tenancy.policy import Resource
from services.tenancy.policy.filters import Field, Filter, Placeholder, to_sql
from services.tenancy.ports.resources import Consent, Inspect, Listed, Ref

_COLUMNS = "r.kind, r.resource_id, r.owner_id, r.brand_id, r.labels, extract(epoch FROM r.changed_at)::float8"
_NAMED = """
FROM tenancy.resources r
WHERE r.org_id = %s AND (r.kind, r.resource_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
"""
_FIND = f"SELECT {_COLUMNS} {_NAMED}"
# One order of locks for everybody.
_LOCK = f"SELECT {_COLUMNS} {_NAMED} ORDER BY r.kind, r.resource_id FOR UPDATE"
_GIVEN = """
(SELECT g.kind, g.id, g.owner, g.brand, ARRAY(SELECT jsonb_array_elements_text(g.labels)) AS labels
   FROM jsonb_to_recordset(%s::jsonb) AS g (kind text, id text, owner text, brand text, labels jsonb)) AS g
"""
_INSERT = f"""
INSERT INTO tenancy.resources (org_id, kind, resource_id, owner_id, brand_id, labels)
SELECT %s, g.kind, g.id, g.owner, g.brand, g.labels FROM {_GIVEN}
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants
_UPDATE = f"""
UPDATE tenancy.resources r
   SET owner_id = g.owner, brand_id = g.brand, labels = g.labels, changed_at = clock_timestamp()
  FROM {_GIVEN} WHERE r.org_id = %s AND r.kind = g.kind AND r.resource_id = g.id
"""  # noqa: S608 - constants
# What a search filters by is a copy: it changes with the facts, in the same transaction.
_COPY = f"""
UPDATE tenancy.chunks c SET owner_id = g.owner, brand_id = g.brand, labels = g.labels
  FROM {_GIVEN} WHERE c.org_id = %s AND g.kind = 'Document' AND c.document_id = g.id
   AND (c.owner_id, c.brand_id, c.labels) IS DISTINCT FROM (g.owner, g.brand, g.labels)
"""  # noqa: S608 - constants
_BRANDS = "SELECT b.brand_id FROM tenancy.brands b WHERE b.org_id = %s AND b.brand_id = ANY (%s)"
_DELETE = f"DELETE {_NAMED}"
FIELDS = {
    Field.ORGANISATION: "r.org_id",
    Field.ID: "r.resource_id",
    Field.OWNER: "r.owner_id",
    Field.BRAND: "r.brand_id",
    Field.LABELS: "r.labels",
}


class PostgresResources:
    """Implements `ports.resources.ResourceStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, caller: Caller, refs: Collection[Ref]) -> Mapping[Ref, Listed]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_FIND, [caller.organisation, *_arrays(refs)])
            found = [_listed(caller, row) async for row in rows]
        return {(listed.resource.type, listed.resource.id): listed for listed in found}

    async def put(self, caller: Caller, resources: Sequence[Resource], inspect: Inspect) -> None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            await write_facts(connection, caller, resources, inspect)

    async def delete(self, caller: Caller, refs: Collection[Ref], consent: Consent) -> int:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            before = await _locked(connection, caller, refs)
            going = [ref for ref, resource in before.items() if consent(resource)]
            done = await connection.execute(_DELETE, [caller.organisation, *_arrays(going)])
            return max(0, done.rowcount)

    async def list(self, caller: Caller, kind: str, chosen: Filter, after: str, limit: int) -> Sequence[Listed]:
        """See the port."""
        where, values = to_sql(chosen, FIELDS, Placeholder.FORMAT)
        statement = (
            f"SELECT {_COLUMNS} FROM tenancy.resources r "  # noqa: S608 - constants and placeholders
            f"WHERE r.org_id = %s AND r.kind = %s AND r.resource_id > %s AND {where} ORDER BY r.resource_id LIMIT %s"
        )
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(
                statement.encode(), [caller.organisation, kind, after, *values, limit], prepare=False
            )
            return [_listed(caller, row) async for row in rows]


async def write_facts(
    connection: Connection, caller: Caller, resources: Sequence[Resource], inspect: Inspect
) -> frozenset[Ref]:
    """Creates or replaces within a transaction; the ones that were there before."""
    before = await _locked(connection, caller, [(resource.type, resource.id) for resource in resources])
    inspect(before.values())
    brands = sorted({resource.brand for resource in resources if resource.brand})
    known = await connection.execute(_BRANDS, [caller.organisation, brands])
    if len(await known.fetchall()) < len(brands):
        raise InvalidArgument.of("brand", "must be a brand of the organisation")
    fresh = [resource for resource in resources if (resource.type, resource.id) not in before]
    if fresh:
        made = await connection.execute(_INSERT, [caller.organisation, _json(fresh)])
        # What appeared meanwhile was not looked at.
        if made.rowcount < len(fresh):
            raise FailedPrecondition("RESOURCE_CHANGED", "a resource was put meanwhile; ask again")
    if before:
        old = _json([resource for resource in resources if (resource.type, resource.id) in before])
        await connection.execute(_UPDATE, [old, caller.organisation])
        await connection.execute(_COPY, [old, caller.organisation])
    return frozenset(before)


async def _locked(connection: Connection, caller: Caller, refs: Collection[Ref]) -> dict[Ref, Resource]:
    rows = await connection.execute(_LOCK, [caller.organisation, *_arrays(refs)])
    found = [_listed(caller, row).resource async for row in rows]
    return {(resource.type, resource.id): resource for resource in found}


def _arrays(refs: Collection[Ref]) -> tuple[list[str], list[str]]:
    ordered = sorted(refs)
    return [kind for kind, _ in ordered], [name for _, name in ordered]


def _json(resources: Sequence[Resource]) -> str:
    return json.dumps(
        [
            {"kind": r.type, "id": r.id, "owner": r.owner, "brand": r.brand, "labels": sorted(r.labels)}
            for r in resources
        ]
    )


def _listed(caller: Caller, row: tuple[Any, ...]) -> Listed:
    kind, name, owner, brand, labels, changed_at = row
    return Listed(Resource(kind, name, caller.organisation, owner, brand, frozenset(labels)), changed_at)
