"""Every table that has an organisation, of every service, now and later: isolated by the database alone.

The tables get one row for each of two organisations inside a transaction that is rolled back, so nothing here knows
any table by name and an empty table does not pass by being empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from services.kit.database_roles import SERVICES, role_of
from tests.support.stores import DataStores

Connection = psycopg.Connection[tuple[Any, ...]]

SAMPLES = {
    "text": "'v-{n}'",
    "character varying": "'v-{n}'",
    "integer": "{n}",
    "smallint": "{n}",
    "bigint": "{n}",
    "numeric": "{n}",
    "real": "{n}",
    "double precision": "{n}",
    "boolean": "true",
    "bytea": "'\\x0{n}'",
    "jsonb": "'{{}}'",
    "json": "'{{}}'",
    "uuid": "'00000000-0000-0000-0000-00000000000{n}'",
    "date": "current_date",
    "timestamp with time zone": "clock_timestamp()",
    "interval": "'1 s'",
    "inet": "'192.0.2.{n}'",
    "cidr": "'192.0.2.{n}/32'",
}


def tenant_tables(conn: Connection) -> list[tuple[int, str, str]]:
    return [
        (int(oid), str(schema), str(name))
        for oid, schema, name in conn.execute(
            """
            SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY (%s)
              AND EXISTS (SELECT 1 FROM pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped)
            ORDER BY 2, 3
            """,
            [list(SERVICES)],
        )
    ]


def sample(type_name: str, labels: list[str] | None, number: int) -> str:
    if labels:
        return f"'{labels[0]}'"
    if type_name.endswith("[]"):
        return "'{}'"
    vector = re.fullmatch(r"(?:\w+\.)?vector(?:\((\d+)\))?", type_name)
    if vector:
        return f"array_fill({number}::real, ARRAY[{vector[1] or 3}])::{type_name}"
    return SAMPLES[type_name.partition("(")[0]].format(n=number)


def fill(conn: Connection, oid: int, table: sql.Identifier) -> None:
    """One row for org-a, one for org-b, whatever the columns are. What a partition inherits stays with its parent."""
    own = "SELECT conname FROM pg_constraint WHERE conrelid = %s AND contype = 'c' AND coninhcount = 0"
    checks = conn.execute(own, [oid]).fetchall()
    for (name,) in checks:
        conn.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, sql.Identifier(str(name))))
    columns = conn.execute(
        """
        SELECT a.attname, format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), a.atttypmod),
               (SELECT array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
        """,
        [oid],
    ).fetchall()
    conn.execute("SET LOCAL session_replication_role = replica")  # no triggers, no foreign keys; row security stays
    for number, org in enumerate(("org-a", "org-b"), 1):
        values = [f"'{org}'" if c == "org_id" else sample(str(t), labels, number) for c, t, labels in columns]
        names = sql.SQL(", ").join(sql.Identifier(str(c)) for c, _, _ in columns)
        conn.execute(
            sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
                table, names, sql.SQL(", ".join(values))
            )
        )


def is_partition(conn: Connection, oid: int) -> bool:
    return conn.execute("SELECT relispartition FROM pg_class WHERE oid = %s", [oid]).fetchone() == (True,)


def rights(conn: Connection, role: str, oid: int) -> set[str]:
    actions = ("SELECT", "INSERT", "UPDATE", "DELETE")
    return {
        a
        for a in actions
        if conn.execute("SELECT has_table_privilege(%s, %s, %s)", [role, oid, a]).fetchone() == (True,)
    }


def count(conn: Connection, table: sql.Identifier, proof: str, where: str) -> int:
    conn.execute("SELECT set_config('hauberk.org', %s, true)", [proof])
    row = conn.execute(sql.SQL("SELECT count(*) FROM {} WHERE ").format(table) + sql.SQL(where)).fetchone()
    assert row is not None
    return int(row[0])


def refused(conn: Connection, statement: sql.Composed) -> bool:
    try:
        with conn.transaction():
            conn.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


PROBE = """
SET LOCAL ROLE hauberk_owner;
CREATE TYPE guardrail.probe_kind AS ENUM ('one', 'two');
CREATE TABLE guardrail.probe (
    org_id text COLLATE "C" NOT NULL CHECK (org_id ~ '^x'), id uuid NOT NULL, kind guardrail.probe_kind NOT NULL,
    n bigint GENERATED ALWAYS AS IDENTITY, twice bigint GENERATED ALWAYS AS (n * 2) STORED, body jsonb NOT NULL,
    tags text[] NOT NULL, at timestamptz NOT NULL, place hauberk_ext.vector(4) NOT NULL, digest bytea NOT NULL,
    PRIMARY KEY (org_id, id), FOREIGN KEY (org_id, id) REFERENCES guardrail.probe (org_id, id));
"""


@pytest.fixture
def admin(data_stores: DataStores) -> Iterator[Connection]:
    """A superuser's transaction, rolled back; one more tenant table in it keeps these tests from proving nothing."""
    with psycopg.connect(data_stores.admin_dsn) as conn:
        conn.execute(PROBE + "SELECT hauberk.protect('guardrail.probe'); RESET ROLE;")
        yield conn
        conn.rollback()


@pytest.mark.parametrize(
    "weakening",
    [
        "ALTER TABLE guardrail.probe NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE guardrail.probe DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON guardrail.probe",
        "ALTER POLICY tenant ON guardrail.probe WITH CHECK (true)",
        "ALTER TABLE guardrail.probe DROP CONSTRAINT probe_org_id_id_fkey, DROP CONSTRAINT probe_pkey",
    ],
)
def test_these_tests_notice_a_weakened_table(admin: Connection, weakening: str) -> None:
    admin.execute(weakening.encode())
    with pytest.raises(AssertionError, match="probe"):
        test_every_tenant_table_is_under_forced_row_security(admin)


def test_every_tenant_table_is_under_forced_row_security(admin: Connection) -> None:
    for oid, schema, name in tenant_tables(admin):
        where = f"{schema}.{name}"
        flags = admin.execute(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s", [oid]
        ).fetchone()
        assert flags == (True, True), where
        policies = admin.execute(
            """
            SELECT pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid),
                   ARRAY(SELECT r::regrole::text FROM unnest(polroles) r)
            FROM pg_policy WHERE polrelid = %s AND NOT polpermissive AND polcmd = '*'
            """,
            [oid],
        ).fetchall()
        tenant = [p for p in policies if "current_org()" in str(p[0]) and p[0] == p[1]]
        assert tenant, where
        assert tenant[0][2] == ["hauberk_tenant_bound"], where
        leading = admin.execute(
            """
            SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = %s AND a.attname = 'org_id'
            """,
            [oid],
        ).fetchone()
        assert leading is not None and leading[0] > 0, f"{where} has no index that leads with org_id"


def test_whoever_may_touch_a_tenant_table_is_bound_to_the_tenant(admin: Connection) -> None:
    for oid, schema, name in tenant_tables(admin):
        roles = admin.execute(
            """
            SELECT r.rolname, pg_has_role(r.oid, 'hauberk_tenant_bound', 'USAGE') FROM pg_roles r
            WHERE NOT r.rolsuper AND r.rolname NOT LIKE 'pg\\_%%'
              AND r.rolname NOT IN ('hauberk_owner', 'hauberk_lookup')
              AND (has_table_privilege(r.oid, %s, 'SELECT,INSERT,UPDATE,DELETE')
                   OR has_any_column_privilege(r.oid, %s, 'SELECT,INSERT,UPDATE'))
            """,
            [oid, oid],
        ).fetchall()
        assert [role for role, bound in roles if not bound] == [], f"{schema}.{name}"
        assert {role for role, _ in roles} <= {role_of(schema)}, f"{schema}.{name} is open to another service"


def test_reads_and_writes_of_every_role_on_every_tenant_table(admin: Connection, data_stores: DataStores) -> None:
    true_a, true_c = data_stores.proof("org-a"), data_stores.proof("org-c")
    blind = {
        "no tenant": "",
        "forged": data_stores.proof("org-a", key=b"x" * 32),
        "expired": data_stores.proof("org-a", -5),
        "another organisation's mac": "org-a" + true_c.removeprefix("org-c"),
    }
    for oid, schema, name in tenant_tables(admin):
        table = sql.Identifier(schema, name)
        with admin.transaction(force_rollback=True):
            if not is_partition(admin, oid):  # reached through its parent only: no role has a right on it
                fill(admin, oid, table)
            for role in map(role_of, SERVICES):
                granted = rights(admin, role, oid)
                assert not (granted and is_partition(admin, oid)), f"{role} reaches the partition {schema}.{name}"
                with admin.transaction(force_rollback=True):
                    admin.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
                    if "SELECT" in granted:
                        label = f"{role} on {schema}.{name}"
                        assert count(admin, table, true_a, "true") == 1, label
                        assert count(admin, table, true_a, "org_id = 'org-b'") == 0, label
                        for why, proof in blind.items():
                            assert count(admin, table, proof, "true") == 0, f"{label}: {why}"
                            assert count(admin, table, proof, "org_id = 'org-a'") == 0, f"{label}: {why}"
                    admin.execute("SELECT set_config('hauberk.org', %s, true)", [true_a])
                    write_elsewhere(admin, table, granted)


def write_elsewhere(conn: Connection, table: sql.Identifier, granted: set[str]) -> None:
    copy = sql.SQL("INSERT INTO {} (org_id) OVERRIDING SYSTEM VALUE VALUES ('org-b')").format(table)
    move = sql.SQL("UPDATE {} SET org_id = 'org-b'").format(table)
    touch = sql.SQL("UPDATE {} SET org_id = org_id WHERE org_id = 'org-b'").format(table)
    delete = sql.SQL("DELETE FROM {} WHERE org_id = 'org-b'").format(table)
    assert refused(conn, copy), "INSERT for another organisation"
    assert refused(conn, move), "UPDATE into another organisation"
    for action, statement in (("UPDATE", touch), ("DELETE", delete)):
        if action in granted and "SELECT" in granted:
            assert conn.execute(statement).rowcount == 0
        else:
            assert refused(conn, statement)


def test_doors_before_the_tenant_are_narrow(admin: Connection) -> None:
    doors = admin.execute(
        """
        SELECT p.oid::regprocedure::text, p.proowner::regrole::text, coalesce(array_to_string(p.proconfig, ','), ''),
               EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prosecdef AND n.nspname = ANY (%s)
        """,
        [[*SERVICES, "hauberk"]],
    ).fetchall()
    assert doors
    for name, owner, settings, public in doors:
        assert owner in {"hauberk_owner", "hauberk_lookup"}, name
        assert "search_path=pg_catalog, pg_temp" in settings, name
        assert not public, f"everybody may call {name}"
