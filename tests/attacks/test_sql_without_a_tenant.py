"""Somebody runs SQL as a service: with the role's own password, without a proof of a tenant, or with a bent one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from embedded.stack import Stack
from services.kit.database_roles import SERVICES
from tests.attacks.forge import Forge

Connection = psycopg.Connection[tuple[Any, ...]]
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
"""


@contextmanager
def as_service(target: Stack, service: str, proof: str = "") -> Iterator[Connection]:
    with psycopg.connect(target.stores.database_url(service)) as connection:
        if proof:
            connection.execute("SELECT set_config('hauberk.org', %s, true)", [proof])
        yield connection


def rows_seen(connection: Connection) -> dict[str, int]:
    seen = {}
    for schema, name in connection.execute(_TABLES).fetchall():
        table = sql.Identifier(str(schema), str(name))
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
        assert row is not None
        seen[f"{schema}.{name}"] = int(row[0])
    return seen


@pytest.mark.parametrize("service", SERVICES)
async def test_no_row_of_any_tenant_is_seen(target: Stack, service: str, forge: Forge) -> None:
    genuine = forge.claims["org_mac"]
    organisation, expiry, kid, mac = genuine.split(".")
    bent = (
        "",
        f"globex.{expiry}.{kid}.{mac}",
        f"{organisation}.9999999999.{kid}.{mac}",
        f"{organisation}.{expiry}.{kid}.{'0' * 64}",
        f"{organisation}.{expiry}.none.{mac}",
        "acme",
        "' OR true --",
    )
    for proof in bent:
        with as_service(target, service, proof) as connection:
            assert not any(rows_seen(connection).values()), proof


async def test_with_a_proof_only_its_own_rows(target: Stack, forge: Forge) -> None:
    with as_service(target, "tenancy", forge.claims["org_mac"]) as connection:
        assert sum(rows_seen(connection).values()) > 0, "else the zeros above would prove nothing"
        found = connection.execute("SELECT DISTINCT org_id FROM tenancy.members").fetchall()
        assert found == [("acme",)]


@pytest.mark.parametrize("service", SERVICES)
async def test_no_role_frees_itself(target: Stack, service: str) -> None:
    for statement in (
        "SET ROLE hauberk_owner",
        "SET SESSION AUTHORIZATION postgres",
        "SET row_security = off; SELECT count(*) FROM tenancy.members",
        "ALTER TABLE tenancy.members DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenancy.members OWNER TO CURRENT_USER",
        "CREATE OR REPLACE FUNCTION hauberk.current_org() RETURNS text LANGUAGE sql AS $$SELECT 'globex'$$",
        "GRANT hauberk_owner TO CURRENT_USER",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
    ):
        with as_service(target, service) as connection, pytest.raises(psycopg.Error):
            connection.execute(statement)


async def test_no_row_is_written_for_another(target: Stack, forge: Forge) -> None:
    with as_service(target, "tenancy", forge.claims["org_mac"]) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "INSERT INTO tenancy.members (org_id, user_id, roles, all_brands)"
                " VALUES ('globex', 'x', '{admin}', true)"
            )
        connection.rollback()
    with as_service(target, "tenancy", forge.claims["org_mac"]) as connection:
        done = connection.execute("UPDATE tenancy.members SET roles = '{admin}' WHERE org_id = 'globex'")
        assert done.rowcount == 0
