"""The organisation of a caller in PostgreSQL.

Row-level security holds the tenant line; every statement names the organisation as well, so that either alone would do.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg

from services.kit.caller import Caller
from services.kit.errors import InvalidArgument
from services.kit.postgres import Connection, Database
from services.tenancy.adapters.rows import BRAND, BRAND_COLUMNS, MEMBER, brand_of, member_of
from services.tenancy.policy import OWNER_ROLE, Brand, Member, Pointers, Standing, Status
from services.tenancy.ports import Facts
from services.tenancy.ports.directory import Change

_ORGANISATION = "o.plan, o.status, coalesce(s.active, 0), coalesce(s.candidate, 0), coalesce(s.revision, 0)"
_STANDING = """
FROM tenancy.organisations o
LEFT JOIN tenancy.members m ON m.org_id = o.org_id AND m.user_id = %(user)s AND NOT m.suspended
LEFT JOIN tenancy.policy_state s ON s.org_id = o.org_id
"""
_FACTS = f"""
SELECT ARRAY(SELECT b.brand_id FROM tenancy.brands b WHERE b.org_id = o.org_id AND b.brand_id = ANY (%(brands)s)),
       {_ORGANISATION}, {MEMBER} {_STANDING} WHERE o.org_id = %(org)s
"""  # noqa: S608 - constants
_PRINCIPAL = f"""
SELECT {BRAND}, {_ORGANISATION}, {MEMBER} {_STANDING}
LEFT JOIN LATERAL (
    SELECT c.* FROM tenancy.brands c
     WHERE c.org_id = o.org_id
       AND CASE WHEN %(brand)s <> '' THEN c.brand_id = %(brand)s
                ELSE m.all_brands OR EXISTS (SELECT FROM tenancy.member_brands mb WHERE mb.org_id = m.org_id
                         AND mb.user_id = m.user_id AND mb.brand_id = c.brand_id) END
     ORDER BY c.brand_id LIMIT 1
) b ON true
WHERE o.org_id = %(org)s
"""  # noqa: S608 - constants
_INSERT_MEMBER = """
INSERT INTO tenancy.members (roles, all_brands, display_name, suspended, org_id, user_id)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_UPDATE_MEMBER = """
UPDATE tenancy.members SET roles = %s, all_brands = %s, display_name = %s, suspended = %s
WHERE org_id = %s AND user_id = %s
"""
_GET_MEMBER = f"SELECT {MEMBER} FROM tenancy.members m WHERE m.org_id = %s AND m.user_id = %s"  # noqa: S608 - constants
_LIST_MEMBERS = f"""
SELECT {MEMBER} FROM tenancy.members m WHERE m.org_id = %s AND m.user_id > %s ORDER BY m.user_id LIMIT %s
"""  # noqa: S608 - constants
# One order of locks for everybody: two owners who remove each other cannot both succeed, nor deadlock.
_LOCK = f"""
SELECT {MEMBER} FROM tenancy.members m
WHERE m.org_id = %(org)s AND (m.user_id = %(user)s OR ('owner' = ANY (m.roles) AND m.all_brands AND NOT m.suspended))
ORDER BY m.user_id FOR UPDATE
"""  # noqa: S608 - constants


class PostgresStore:
    """Implements `ports.TenancyStore` and `ports.directory.Members`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facts(self, caller: Caller, brands: Collection[str] = ()) -> Facts:
        """See the port."""
        values = {"org": caller.organisation, "user": caller.subject, "brands": list(brands)}
        row = await self._one(caller, _FACTS, values)
        return Facts(_standing(caller, row[1:]), frozenset(row[0])) if row else Facts(None, frozenset())

    async def principal(self, caller: Caller, brand: str) -> tuple[Standing | None, Brand | None]:
        """See the port."""
        values = {"org": caller.organisation, "user": caller.subject, "brand": brand}
        row = await self._one(caller, _PRINCIPAL, values)
        if row is None:
            return None, None
        return _standing(caller, row[BRAND_COLUMNS:]), brand_of(row[:BRAND_COLUMNS]) if row[0] is not None else None

    async def get_member(self, caller: Caller, user: str) -> Member | None:
        """See the port."""
        row = await self._one(caller, _GET_MEMBER, [caller.organisation, user])
        return member_of(row) if row else None

    async def list_members(self, caller: Caller, after: str, limit: int) -> tuple[Member, ...]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_LIST_MEMBERS, [caller.organisation, after, limit])
            return tuple([member_of(row) async for row in rows])

    async def change_member(self, caller: Caller, user: str, change: Change) -> tuple[Member | None, Member | None]:
        """See the port."""
        org = caller.organisation
        async with self._database.tenant(caller) as connection:
            before, owners = await _locked(connection, org, user)
            wanted = change(before, owners)
            if wanted is None:
                await connection.execute("DELETE FROM tenancy.members WHERE org_id = %s AND user_id = %s", [org, user])
                return before, None
            # Not an upsert: a member that appeared meanwhile was not looked at, and is a conflict.
            await connection.execute(_INSERT_MEMBER if before is None else _UPDATE_MEMBER, _values(org, wanted))
            await _set_brands(connection, org, wanted)
            after, _ = await _locked(connection, org, user)
            return before, after

    async def _one(self, caller: Caller, statement: str, values: Any) -> tuple[Any, ...] | None:
        async with self._database.tenant(caller) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchone()


async def _locked(connection: Connection, org: str, user: str) -> tuple[Member | None, frozenset[str]]:
    rows = await connection.execute(_LOCK, {"org": org, "user": user})
    found = {member.user: member for member in [member_of(row) async for row in rows]}
    owners = frozenset(name for name, m in found.items() if OWNER_ROLE in m.roles and m.all_brands and not m.suspended)
    return found.get(user), owners


async def _set_brands(connection: Connection, org: str, member: Member) -> None:
    await connection.execute("DELETE FROM tenancy.member_brands WHERE org_id = %s AND user_id = %s", [org, member.user])
    if member.all_brands:
        return
    try:
        await connection.execute(
            "INSERT INTO tenancy.member_brands (org_id, user_id, brand_id) SELECT %s, %s, unnest(%s::text[])",
            [org, member.user, sorted(member.brands)],
        )
    except psycopg.errors.ForeignKeyViolation:
        raise InvalidArgument.of("member.brands", "each must be a brand of the organisation") from None


def _standing(caller: Caller, row: tuple[Any, ...]) -> Standing:
    plan, status, active, candidate, revision, *rest = row
    member = member_of(tuple(rest)) if rest[0] is not None else None
    return Standing(caller.organisation, plan, Status(status), member, Pointers(active, candidate, revision))


def _values(org: str, member: Member) -> list[Any]:
    return [list(member.roles), member.all_brands, member.display_name, member.suspended, org, member.user]
