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
from services.tenancy.policy import OWNER_ROLE, Brand, Member, Pointers, Standing, Status
from services.tenancy.ports import Facts, Review

_MEMBER = """
m.user_id, m.roles, m.all_brands, extract(epoch FROM m.joined_at)::float8,
ARRAY(SELECT mb.brand_id FROM tenancy.member_brands mb WHERE mb.org_id = m.org_id AND mb.user_id = m.user_id)
"""
_ORGANISATION = "o.plan, o.status, coalesce(s.active, 0), coalesce(s.candidate, 0), coalesce(s.revision, 0)"
_BRAND = "b.brand_id, b.display_name, b.zone, extract(epoch FROM b.created_at)::float8"
_STANDING = """
FROM tenancy.organisations o LEFT JOIN tenancy.members m ON m.org_id = o.org_id AND m.user_id = %(user)s
LEFT JOIN tenancy.policy_state s ON s.org_id = o.org_id
"""
_FACTS = f"""
SELECT ARRAY(SELECT b.brand_id FROM tenancy.brands b WHERE b.org_id = o.org_id AND b.brand_id = ANY (%(brands)s)),
       {_ORGANISATION}, {_MEMBER} {_STANDING} WHERE o.org_id = %(org)s
"""  # noqa: S608 - constants
_PRINCIPAL = f"""
SELECT {_BRAND}, {_ORGANISATION}, {_MEMBER} {_STANDING}
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
_PUT_BRAND = f"""
INSERT INTO tenancy.brands AS b (org_id, brand_id, display_name, zone) VALUES (%s, %s, %s, %s)
ON CONFLICT (org_id, brand_id) DO UPDATE SET display_name = excluded.display_name, zone = excluded.zone
RETURNING {_BRAND}
"""  # noqa: S608 - constants
_LIST_BRANDS = f"""
SELECT {_BRAND} FROM tenancy.brands b
WHERE b.org_id = %s AND b.brand_id > %s AND (%s::text[] IS NULL OR b.brand_id = ANY (%s)) ORDER BY b.brand_id LIMIT %s
"""  # noqa: S608 - constants
_LIST_MEMBERS = f"""
SELECT {_MEMBER} FROM tenancy.members m WHERE m.org_id = %s AND m.user_id > %s ORDER BY m.user_id LIMIT %s
"""  # noqa: S608 - constants
# One order of locks for everybody: two owners who remove each other cannot both succeed, nor deadlock.
_LOCK = f"""
SELECT {_MEMBER} FROM tenancy.members m
WHERE m.org_id = %(org)s AND (m.user_id = %(user)s OR ('owner' = ANY (m.roles) AND m.all_brands))
ORDER BY m.user_id FOR UPDATE
"""  # noqa: S608 - constants


class PostgresStore:
    """Implements `ports.TenancyStore`."""

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
        return _standing(caller, row[4:]), _brand(row[:4]) if row[0] is not None else None

    async def put_brand(self, caller: Caller, brand: Brand) -> Brand:
        """See the port."""
        values = [caller.organisation, brand.brand, brand.display_name, brand.zone]
        row = await self._one(caller, _PUT_BRAND, values)
        return _brand(row) if row else brand

    async def list_brands(
        self, caller: Caller, only: frozenset[str] | None, after: str, limit: int
    ) -> tuple[Brand, ...]:
        """See the port."""
        among = None if only is None else sorted(only)
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_LIST_BRANDS, [caller.organisation, after, among, among, limit])
            return tuple([_brand(row) async for row in rows])

    async def list_members(self, caller: Caller, after: str, limit: int) -> tuple[Member, ...]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_LIST_MEMBERS, [caller.organisation, after, limit])
            return tuple([_member(row) async for row in rows])

    async def put_member(self, caller: Caller, member: Member, review: Review) -> Member:
        """See the port."""
        org = caller.organisation
        async with self._database.tenant(caller) as connection:
            before, owners = await _locked(connection, org, member.user)
            review(before, owners)
            values = [list(member.roles), member.all_brands, org, member.user]
            # Not an upsert: a member that appeared meanwhile was not reviewed, and is a conflict.
            if before is None:
                await connection.execute(
                    "INSERT INTO tenancy.members (roles, all_brands, org_id, user_id) VALUES (%s, %s, %s, %s)", values
                )
            else:
                await connection.execute(
                    "UPDATE tenancy.members SET roles = %s, all_brands = %s WHERE org_id = %s AND user_id = %s", values
                )
            await _set_brands(connection, org, member)
            after, _ = await _locked(connection, org, member.user)
            return after or member

    async def remove_member(self, caller: Caller, user: str, review: Review) -> bool:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            review(*await _locked(connection, caller.organisation, user))
            done = await connection.execute(
                "DELETE FROM tenancy.members WHERE org_id = %s AND user_id = %s", [caller.organisation, user]
            )
            return done.rowcount > 0

    async def _one(self, caller: Caller, statement: str, values: Any) -> tuple[Any, ...] | None:
        async with self._database.tenant(caller) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchone()


async def _locked(connection: Connection, org: str, user: str) -> tuple[Member | None, frozenset[str]]:
    rows = await connection.execute(_LOCK, {"org": org, "user": user})
    found = {member.user: member for member in [_member(row) async for row in rows]}
    owners = frozenset(name for name, m in found.items() if OWNER_ROLE in m.roles and m.all_brands)
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
    member = _member(tuple(rest)) if rest[0] is not None else None
    return Standing(caller.organisation, plan, Status(status), member, Pointers(active, candidate, revision))


def _member(row: tuple[Any, ...]) -> Member:
    user, roles, all_brands, joined_at, brands = row
    return Member(user, tuple(roles), frozenset() if all_brands else frozenset(brands), all_brands, joined_at)


def _brand(row: tuple[Any, ...]) -> Brand:
    return Brand(*row)
