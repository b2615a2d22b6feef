"""`hauberk rls check` against a real database: a sound schema is quiet, and each hole is named when it is opened."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from cli.main import main
from tests.support.stores import DataStores

APP = "rls_probe_app"
SOUND = """
CREATE TABLE public.orders (org_id text NOT NULL, id bigint NOT NULL, note text, PRIMARY KEY (org_id, id));
CREATE TABLE public.lines (org_id text NOT NULL, id bigint NOT NULL, of bigint NOT NULL, PRIMARY KEY (org_id, id),
    CONSTRAINT lines_of FOREIGN KEY (org_id, of) REFERENCES public.orders);
"""


@pytest.fixture
def database(data_stores: DataStores, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database of its own, its URL in DATABASE_URL."""
    with psycopg.connect(data_stores.admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE rls_probe")
        admin.execute(f"CREATE ROLE {APP} NOLOGIN")
    url = psycopg.conninfo.make_conninfo(data_stores.admin_dsn, dbname="rls_probe")
    monkeypatch.setenv("DATABASE_URL", url)
    try:
        yield url
    finally:
        with psycopg.connect(data_stores.admin_dsn, autocommit=True) as admin:
            admin.execute("DROP DATABASE rls_probe WITH (FORCE)")
            admin.execute(f"DROP ROLE {APP}")


@pytest.fixture
def sound(database: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Two tables, made safe by the migration that `hauberk rls sql` writes."""
    run(database, SOUND)
    for table in ("public.orders", "public.lines"):
        assert main(["rls", "sql", table, "--role", APP]) == 0
        body, _, index = capsys.readouterr().out.partition("-- Outside of a transaction")
        run(database, body)
        run(database, index.partition("\n")[2])
    return database


def run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def found(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, set[tuple[str, str]]]:
    status = main(["rls", "check", "--json", "--schema", "public", *more])
    rows = json.loads(capsys.readouterr().out)["findings"]
    return status, {(row["rule"], row["where"]) for row in rows if row["where"] != "role postgres"}


def test_what_it_writes_it_finds_nothing_in(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert found(capsys) == (0, set())


def test_what_it_writes_holds(sound: str) -> None:
    with psycopg.connect(sound) as connection:
        connection.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}").format(sql.Identifier(APP)))
        connection.execute("INSERT INTO public.orders VALUES ('a', 1, ''), ('b', 1, '')")
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(APP)))
        assert connection.execute("SELECT count(*) FROM public.orders").fetchone() == (0,)
        connection.execute("SET LOCAL app.org_id = 'a'")
        assert connection.execute("SELECT org_id FROM public.orders").fetchall() == [("a",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO public.orders VALUES ('b', 2, '')")


HOLES = [
    ("not-enabled", "public.orders", "ALTER TABLE orders DISABLE ROW LEVEL SECURITY"),
    ("not-forced", "public.orders", "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY"),
    ("no-tenant-policy", "public.orders", "DROP POLICY orders_tenant ON orders"),
    (
        "permissive-tenant-policy",
        "public.orders policy orders_access",
        "DROP POLICY orders_tenant ON orders; ALTER POLICY orders_access ON orders"
        " USING (org_id = (SELECT current_setting('app.org_id', true)))",
    ),
    (
        "open-policy",
        "public.orders policy orders_access",
        "DROP POLICY orders_tenant ON orders; CREATE POLICY orders_read ON orders AS RESTRICTIVE FOR SELECT"
        " USING (org_id = (SELECT current_setting('app.org_id', true)))",
    ),
    (
        "check-without-tenant",
        "public.orders policy orders_tenant",
        "ALTER POLICY orders_tenant ON orders WITH CHECK (true)",
    ),
    (
        "no-with-check",
        "public.orders policy orders_tenant",
        "DROP POLICY orders_tenant ON orders; CREATE POLICY orders_tenant ON orders AS RESTRICTIVE"
        " USING (org_id = (SELECT current_setting('app.org_id', true)))",
    ),
    (
        "insert-unchecked",
        "public.orders",
        "DROP POLICY orders_tenant ON orders; CREATE POLICY orders_read ON orders AS RESTRICTIVE FOR SELECT"
        " USING (org_id = (SELECT current_setting('app.org_id', true)))",
    ),
    (
        "function-per-row",
        "public.orders policy orders_tenant",
        "ALTER POLICY orders_tenant ON orders USING (org_id = current_setting('app.org_id', true))",
    ),
    (
        "no-tenant-index",
        "public.orders",
        "ALTER TABLE orders DROP CONSTRAINT orders_pkey CASCADE; DROP INDEX orders_org_id_idx",
    ),
    ("unique-across-tenants", "public.orders index orders_note", "CREATE UNIQUE INDEX orders_note ON orders (note)"),
    (
        "reference-across-tenants",
        "public.lines constraint lines_any",
        "CREATE UNIQUE INDEX one ON orders (id); ALTER TABLE lines ADD CONSTRAINT lines_any FOREIGN KEY (of)"
        " REFERENCES orders (id)",
    ),
    ("view-of-its-owner", "view public.all_orders", "CREATE VIEW all_orders AS SELECT * FROM orders"),
    ("no-tenant-column", "public.notes", "CREATE TABLE notes (id bigint PRIMARY KEY, text text)"),
    ("unbound-role", f"role {APP}", f"ALTER ROLE {APP} LOGIN BYPASSRLS"),
]


@pytest.mark.parametrize(("rule", "where", "opening"), HOLES, ids=[rule for rule, _, _ in HOLES])
def test_every_hole_is_named(
    sound: str, capsys: pytest.CaptureFixture[str], rule: str, where: str, opening: str
) -> None:
    run(sound, opening)
    status, holes = found(capsys, "--strict")
    assert (rule, where) in holes
    assert status == 1


def test_a_role_that_owns_the_tables_is_named(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(sound, f"ALTER TABLE orders OWNER TO {APP}; ALTER ROLE {APP} LOGIN")
    assert found(capsys) == (0, {("unbound-role", f"role {APP}")})


def test_a_superuser_counts_while_something_is_connected_as_it(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(sound):
        assert main(["rls", "check"]) == 1
    assert "is a superuser: policies do not hold it [unbound-role]" in " ".join(capsys.readouterr().out.split())


def test_a_shared_table_may_be_named(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(sound, "CREATE TABLE countries (id bigint PRIMARY KEY)")
    assert found(capsys)[1] == {("no-tenant-column", "public.countries")}
    assert found(capsys, "--shared", "public.countries") == (0, set())


def test_a_wrapped_call_a_literal_and_an_immutable_function_are_no_calls(
    sound: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(
        sound,
        "ALTER POLICY orders_tenant ON orders"
        " USING (lower(org_id) = (SELECT lower(current_setting('app.org_id', true))) AND note <> 'now()')",
    )
    assert found(capsys) == (0, set())


def test_a_view_that_asks_as_its_user_is_sound(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(sound, "CREATE VIEW all_orders WITH (security_invoker = true) AS SELECT * FROM orders")
    assert found(capsys) == (0, set())


def test_our_own_database_is_sound(data_stores: DataStores, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["rls", "check", data_stores.admin_dsn, "--json"])
    rows = json.loads(capsys.readouterr().out)["findings"]
    errors = [row for row in rows if row["severity"] == "error" and not row["where"].startswith("role ")]
    assert (errors, status) == ([], int(any(row["severity"] == "error" for row in rows)))


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (["rls", "check", "postgresql://nobody@127.0.0.1:1/none"], "cannot be read"),
        (["rls", "check", "--column", "nowhere"], "no table has a column nowhere"),
        (["rls", "check", "--shared", "public.nowhere"], "--shared public.nowhere: there is no such table"),
        (["rls", "sql", 'public."Orders"'], "not a plain lower-case name"),
        (["rls", "sql", "orders", "--tenant", "x); DROP TABLE orders; --"], "one SQL expression"),
        (["rls", "sql", ""], "table: nothing"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    database: str, capsys: pytest.CaptureFixture[str], words: list[str], saying: str
) -> None:
    run(database, SOUND)
    assert main(words) == 2
    captured = capsys.readouterr()
    assert saying in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out
