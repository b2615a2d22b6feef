"""Preparing a database: repeatable, ordered, and refusing what does not fit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from services.kit import migrate
from services.kit.database_roles import ROLES
from services.kit.errors import FailedPrecondition, Unavailable
from services.kit.migrate import load_migrations, prepare_database
from tests.support.stores import ORG_KEY, ORG_KID, DataStores

ROOT = Path(migrate.__file__).resolve().parents[1]
DOOR = """
CREATE TABLE guardrail.card (org_id text NOT NULL, digest text NOT NULL, PRIMARY KEY (org_id, digest));
INSERT INTO guardrail.card VALUES ('org-a', 'd1'), ('org-b', 'd2');
SELECT hauberk.protect('guardrail.card');
CREATE FUNCTION guardrail.org_of(wanted text) RETURNS text LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT c.org_id FROM guardrail.card c WHERE c.digest = wanted; END;
SELECT hauberk.exempt('guardrail.org_of(text)', 'guardrail.card');
"""


@pytest.fixture
def elsewhere(data_stores: DataStores, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A second database on the same server, and the kit's migrations in a folder of their own."""
    (tmp_path / "kit").mkdir()
    shutil.copytree(ROOT / "kit" / "migrations", tmp_path / "kit" / "migrations")
    (tmp_path / "guardrail" / "migrations").mkdir(parents=True)
    with psycopg.connect(data_stores.admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE second")
        dsn = data_stores.postgres.endpoint.dsn("postgres", admin.info.password, "second")
        yield dsn, tmp_path
        admin.execute("DROP DATABASE second WITH (FORCE)")


def prepare(stores: DataStores, dsn: str, root: Path) -> tuple[str, ...]:
    return prepare_database(dsn, stores.passwords, {ORG_KID: ORG_KEY}, root=root)


def test_everything_is_applied_once(data_stores: DataStores) -> None:
    again = prepare_database(data_stores.admin_dsn, data_stores.passwords, {ORG_KID: ORG_KEY})
    assert again == ()
    assert load_migrations()[0].name == "0001_tenant_proof.sql"


def test_order_alteration_and_failure(data_stores: DataStores, elsewhere: tuple[str, Path]) -> None:
    dsn, root = elsewhere
    folder = root / "guardrail" / "migrations"
    (folder / "0002_second.sql").write_text("CREATE TABLE second (a int);")
    assert prepare(data_stores, dsn, root) == (
        "kit/0001_tenant_proof.sql",
        "kit/0002_retention.sql",
        "guardrail/0002_second.sql",
    )

    (folder / "0003_broken.sql").write_text("CREATE TABLE third (a int); SELECT nonsense;")
    with pytest.raises(Unavailable):
        prepare(data_stores, dsn, root)
    (folder / "0003_broken.sql").write_text("CREATE TABLE third (a int);")
    assert prepare(data_stores, dsn, root) == ("guardrail/0003_broken.sql",)

    (folder / "0001_late.sql").write_text("SELECT 1;")
    with pytest.raises(FailedPrecondition, match="0001_late"):
        prepare(data_stores, dsn, root)
    (folder / "0001_late.sql").unlink()

    (folder / "0003_broken.sql").write_text("CREATE TABLE third (b int);")
    with pytest.raises(FailedPrecondition, match="was changed"):
        prepare(data_stores, dsn, root)
    (folder / "0003_broken.sql").unlink()
    with pytest.raises(FailedPrecondition, match="newer version"):
        prepare(data_stores, dsn, root)


def test_two_hosts_may_prepare_at_once(data_stores: DataStores, elsewhere: tuple[str, Path]) -> None:
    dsn, root = elsewhere
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: prepare(data_stores, dsn, root), range(2)))
    assert sorted(map(len, results)) == [0, 2]


def test_a_door_before_the_tenant_opens_for_its_question_only(
    data_stores: DataStores, elsewhere: tuple[str, Path]
) -> None:
    dsn, root = elsewhere
    (root / "guardrail" / "migrations" / "0001_card.sql").write_text(DOOR)
    prepare(data_stores, dsn, root)
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("SET ROLE hauberk_guardrail")
        assert admin.execute("SELECT guardrail.org_of('d2'), guardrail.org_of('none')").fetchone() == ("org-b", None)
        assert admin.execute("SELECT count(*) FROM guardrail.card").fetchone() == (0,)
        admin.execute("SET ROLE hauberk_auth")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("SELECT guardrail.org_of('d2')")


def test_a_retired_key_proves_nothing(data_stores: DataStores, elsewhere: tuple[str, Path]) -> None:
    dsn, root = elsewhere
    prepare_database(dsn, data_stores.passwords, {ORG_KID: ORG_KEY, "old": b"o" * 32}, root=root)
    proof = data_stores.proof("org-1", key=b"o" * 32, kid="old")
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("SELECT set_config('hauberk.org', %s, false)", [proof])
        assert admin.execute("SELECT hauberk.current_org()").fetchone() == ("org-1",)
        prepare(data_stores, dsn, root)
        assert admin.execute("SELECT hauberk.current_org()").fetchone() == (None,)


def test_incomplete_input_is_refused_before_anything_is_done(data_stores: DataStores) -> None:
    for passwords, keys in (
        ({}, {ORG_KID: ORG_KEY}),
        (data_stores.passwords, {}),
        (data_stores.passwords, {"a.b": ORG_KEY}),
    ):
        with pytest.raises(FailedPrecondition):
            prepare_database(data_stores.admin_dsn, passwords, keys)


def test_an_unreachable_server_is_unavailable() -> None:
    with pytest.raises(Unavailable) as caught:
        prepare_database("host=/nonexistent dbname=x", dict.fromkeys(ROLES, "x"), {ORG_KID: ORG_KEY})
    assert "nonexistent" not in str(caught.value)


def test_a_role_that_was_given_powers_is_refused(data_stores: DataStores) -> None:
    with psycopg.connect(data_stores.admin_dsn, autocommit=True) as admin:
        admin.execute("ALTER ROLE hauberk_guardrail BYPASSRLS")
        try:
            with pytest.raises(FailedPrecondition, match="hauberk_guardrail"):
                prepare_database(data_stores.admin_dsn, data_stores.passwords, {ORG_KID: ORG_KEY})
        finally:
            admin.execute("ALTER ROLE hauberk_guardrail NOBYPASSRLS")
