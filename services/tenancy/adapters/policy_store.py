"""The policies that an organisation wrote, in PostgreSQL. Row-level security holds the tenant line; every statement
names the organisation as well."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg

from services.kit.caller import Caller
from services.kit.errors import FailedPrecondition, NotFound
from services.kit.postgres import Connection, Database
from services.tenancy.ports import Difference, PolicyText, PolicyVersion, Use

MOST_VERSIONS = 50

_VERSION = """
v.version, v.policies, v.digest, extract(epoch FROM v.created_at)::float8,
CASE v.version WHEN s.active THEN 'enforced' WHEN s.candidate THEN 'tried' ELSE 'kept' END
"""
_FROM = "FROM tenancy.policy_versions v JOIN tenancy.policy_state s ON s.org_id = v.org_id"
_READ = f"""
SELECT {_VERSION}, v.source {_FROM}
WHERE v.org_id = %(org)s AND v.version = CASE %(number)s WHEN 0 THEN s.active ELSE %(number)s END
"""
_LIST = f"""
SELECT {_VERSION} {_FROM}
WHERE v.org_id = %(org)s AND (%(before)s = 0 OR v.version < %(before)s) ORDER BY v.version DESC LIMIT %(limit)s
"""
_ADD = """
INSERT INTO tenancy.policy_versions (org_id, version, source, compiled, language, digest, policies)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_COUNT = """
INSERT INTO tenancy.policy_trials AS t (org_id, version, action, resource_type, asked, would_refuse, would_allow)
SELECT v.org_id, v.version, %(action)s, %(kind)s, %(asked)s, %(refuse)s, %(allow)s
  FROM tenancy.policy_versions v WHERE v.org_id = %(org)s AND v.version = %(number)s
ON CONFLICT (org_id, version, action, resource_type) DO UPDATE
   SET asked = t.asked + excluded.asked, would_refuse = t.would_refuse + excluded.would_refuse,
       would_allow = t.would_allow + excluded.would_allow
"""


class PostgresPolicies:
    """Implements `ports.PolicyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, caller: Caller, text: PolicyText, use: Use, etag: str) -> tuple[PolicyVersion, str]:
        """See the port."""
        org = caller.organisation
        async with self._database.tenant(caller) as connection:
            number = await _locked(connection, org, etag) + 1
            kept = await connection.execute("SELECT count(*) FROM tenancy.policy_versions WHERE org_id = %s", [org])
            row = await kept.fetchone()
            if row and row[0] >= MOST_VERSIONS:
                raise FailedPrecondition("TOO_MANY_VERSIONS", f"at most {MOST_VERSIONS} versions are kept: delete some")
            values = [text.source, text.compiled, text.language, text.digest, text.policies]
            await connection.execute(_ADD, [org, number, *values])
            await connection.execute("UPDATE tenancy.policy_state SET latest = %s WHERE org_id = %s", [number, org])
            revision = await _point(connection, org, number, use)
            return await _version(connection, org, number), revision

    async def load(self, caller: Caller, number: int) -> PolicyText | None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            found = await connection.execute(
                "SELECT source, compiled, language, digest, policies FROM tenancy.policy_versions "
                "WHERE org_id = %s AND version = %s",
                [caller.organisation, number],
            )
            row = await found.fetchone()
        return PolicyText(*row) if row else None

    async def read(self, caller: Caller, number: int) -> tuple[PolicyVersion, str] | None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            found = await connection.execute(_READ, {"org": caller.organisation, "number": number})
            row = await found.fetchone()
        return (_row(row[:-1]), row[-1]) if row else None

    async def versions(self, caller: Caller, before: int, limit: int) -> tuple[tuple[PolicyVersion, ...], str]:
        """See the port."""
        values = {"org": caller.organisation, "before": before, "limit": limit}
        async with self._database.tenant(caller) as connection:
            rows = [_row(row) async for row in await connection.execute(_LIST, values)]
            state = await connection.execute(
                "SELECT revision FROM tenancy.policy_state WHERE org_id = %s", [caller.organisation]
            )
            revision = await state.fetchone()
        return tuple(rows), str(revision[0] if revision else 0)

    async def use(self, caller: Caller, number: int, use: Use, etag: str) -> tuple[PolicyVersion, str]:
        """See the port."""
        org = caller.organisation
        async with self._database.tenant(caller) as connection:
            await _locked(connection, org, etag)
            try:
                revision = await _point(connection, org, number, use)
            except psycopg.errors.ForeignKeyViolation:
                raise NotFound("policy version") from None
            return await _version(connection, org, number), revision

    async def delete(self, caller: Caller, number: int) -> bool:
        """See the port."""
        key = [caller.organisation, number]
        async with self._database.tenant(caller) as connection:
            await _locked(connection, caller.organisation, "")
            try:
                done = await connection.execute(
                    "DELETE FROM tenancy.policy_versions WHERE org_id = %s AND version = %s", key
                )
            except psycopg.errors.ForeignKeyViolation:
                raise FailedPrecondition("IN_USE", "a version in force or on trial cannot be deleted") from None
            return done.rowcount > 0

    async def count(self, caller: Caller, number: int, differences: Collection[Difference]) -> None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            # One order of rows for everybody, so that two processes that count do not wait for each other in a circle.
            for found in sorted(differences, key=lambda d: (d.action, d.resource_type)):
                values = {"org": caller.organisation, "number": number, "action": found.action}
                values |= {"kind": found.resource_type, "asked": found.asked}
                values |= {"refuse": found.would_refuse, "allow": found.would_allow}
                await connection.execute(_COUNT, values)

    async def differences(self, caller: Caller, number: int) -> tuple[Difference, ...] | None:
        """See the port."""
        key = [caller.organisation, number]
        async with self._database.tenant(caller) as connection:
            known = await connection.execute(
                "SELECT FROM tenancy.policy_versions WHERE org_id = %s AND version = %s", key
            )
            if await known.fetchone() is None:
                return None
            rows = await connection.execute(
                "SELECT action, resource_type, asked, would_refuse, would_allow FROM tenancy.policy_trials "
                "WHERE org_id = %s AND version = %s ORDER BY action, resource_type",
                key,
            )
            return tuple([Difference(*row) async for row in rows])


async def _locked(connection: Connection, org: str, etag: str) -> int:
    """The number of the latest version; nobody else changes the state until the end of the transaction."""
    await connection.execute(
        "INSERT INTO tenancy.policy_state (org_id) VALUES (%s) ON CONFLICT (org_id) DO NOTHING", [org]
    )
    state = await connection.execute(
        "SELECT latest, revision FROM tenancy.policy_state WHERE org_id = %s FOR UPDATE", [org]
    )
    row = await state.fetchone()
    if row is None or (etag and etag != str(row[1])):
        raise FailedPrecondition("ETAG_MISMATCH", "the policies changed since: list the versions again")
    return int(row[0])


async def _point(connection: Connection, org: str, number: int, use: Use) -> str:
    """What is in force is not tried as well."""
    changed = await connection.execute(
        """
        UPDATE tenancy.policy_state
           SET active = CASE %(use)s WHEN 'enforced' THEN %(number)s ELSE active END,
               candidate = CASE %(use)s WHEN 'tried' THEN %(number)s
                           ELSE CASE WHEN %(use)s = 'enforced' AND candidate = %(number)s THEN NULL
                                ELSE candidate END END,
               revision = revision + 1
         WHERE org_id = %(org)s RETURNING revision
        """,
        {"use": use.value, "number": number or None, "org": org},
    )
    row = await changed.fetchone()
    return str(row[0] if row else 0)


async def _version(connection: Connection, org: str, number: int) -> PolicyVersion:
    if not number:
        return PolicyVersion(0)
    found = await connection.execute(
        f"SELECT {_VERSION} {_FROM} WHERE v.org_id = %s AND v.version = %s",
        [org, number],
    )
    row = await found.fetchone()
    if row is None:
        raise NotFound("policy version")
    return _row(row)


def _row(row: tuple[Any, ...]) -> PolicyVersion:
    number, policies, digest, created_at, use = row
    return PolicyVersion(number, policies, digest, created_at, Use(use))
