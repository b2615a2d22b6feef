"""What a service's role cannot do in the embedded stack: become more, switch the walls off, or enter unasked."""

from __future__ import annotations

import psycopg
import pytest

from services.kit.database_roles import SERVICES, role_of
from tests.support.stores import DataStores

FORBIDDEN = [
    "SET ROLE hauberk_owner",
    "SET ROLE hauberk_lookup",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER BYPASSRLS",
    "CREATE ROLE intruder SUPERUSER LOGIN",
    "GRANT hauberk_owner TO CURRENT_USER",
    "SELECT * FROM hauberk.org_mac_keys",
    "UPDATE hauberk.org_mac_keys SET active = true",
    "SELECT * FROM hauberk.migrations",
    "SELECT hauberk.protect('hauberk.migrations')",
    "SELECT hauberk.exempt('hauberk.current_org()', 'hauberk.migrations')",
    "CREATE OR REPLACE FUNCTION hauberk.current_org() RETURNS text LANGUAGE sql AS $$ SELECT 'org-1'::text $$",
    "CREATE TABLE hauberk.mine (a int)",
    "CREATE TABLE public.mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)",
    "CREATE EXTENSION dblink",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/hauberk-probe'",
    "SELECT pg_read_file('/etc/hostname')",
    "SELECT lo_import('/etc/hostname')",
    "ALTER SYSTEM SET fsync = off",
    "SET session_replication_role = replica",
    "SELECT pg_reload_conf()",
]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_role_cannot_become_more(data_stores: DataStores, service: str) -> None:
    with psycopg.connect(data_stores.service_dsn(service), autocommit=True) as conn:
        for statement in FORBIDDEN:
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
                conn.execute(statement.encode())
        assert conn.execute(
            "SELECT usesuper, usebypassrls, usecreatedb FROM pg_user WHERE usename = current_user"
        ).fetchone() == (
            False,
            False,
            False,
        )


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_role_cannot_change_or_leave_its_schema(data_stores: DataStores, service: str) -> None:
    other = next(name for name in SERVICES if name != service)
    table = f"{service}.role_probe"
    with psycopg.connect(data_stores.admin_dsn, autocommit=True) as admin:
        made = f"CREATE TABLE {table} (org_id text); SELECT hauberk.protect('{table}')"
        admin.execute(f"SET ROLE hauberk_owner; {made}; RESET ROLE".encode())
        try:
            with psycopg.connect(data_stores.service_dsn(service), autocommit=True) as conn:
                assert conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
                for statement in (
                    f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
                    f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
                    f"DROP POLICY tenant ON {table}",
                    f"CREATE POLICY mine ON {table} USING (true)",
                    f"TRUNCATE {table}",
                    f"CREATE TABLE {service}.mine (a int)",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        conn.execute(statement.encode())
                conn.execute("SET row_security = off")  # asks for an error instead of a filter, never for more rows
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(f"SELECT * FROM {table}".encode())
            with (
                psycopg.connect(data_stores.service_dsn(other), autocommit=True) as conn,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                conn.execute(f"SELECT * FROM {table}".encode())
        finally:
            admin.execute(f"DROP TABLE {table}".encode())


@pytest.mark.parametrize("role", ["postgres", *map(role_of, SERVICES)])
@pytest.mark.parametrize("password", ["", "wrong"])
def test_nobody_enters_without_the_password(data_stores: DataStores, role: str, password: str) -> None:
    for database in ("hauberk", "postgres"):
        dsn = data_stores.postgres.endpoint.dsn(role, password, database)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn, connect_timeout=2)


@pytest.mark.parametrize("role", ["hauberk_owner", "hauberk_lookup", "hauberk_tenant_bound"])
def test_groups_cannot_log_in(data_stores: DataStores, role: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(data_stores.postgres.role_dsn(role, "pw-auth"), connect_timeout=2)


def test_a_service_role_enters_its_own_database_only(data_stores: DataStores) -> None:
    for database in ("postgres", "template1"):
        dsn = data_stores.postgres.endpoint.dsn("hauberk_auth", data_stores.passwords["auth"], database)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn, connect_timeout=2)


def test_durability_and_doors_of_the_embedded_server(data_stores: DataStores) -> None:
    with psycopg.connect(data_stores.admin_dsn) as admin:
        for name, value in {
            "fsync": "on",
            "full_page_writes": "on",
            "listen_addresses": "",
            "password_encryption": "scram-sha-256",
            "data_checksums": "on",
            "allow_alter_system": "off",
        }.items():
            assert admin.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,), name
        methods = admin.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        assert {row[0] for row in methods} == {"scram-sha-256", "reject"}
        assert admin.execute("SELECT '[1,2]'::hauberk_ext.vector OPERATOR(hauberk_ext.<->) '[1,4]'").fetchone() == (
            2.0,
        )
