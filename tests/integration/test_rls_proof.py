"""`hauberk.current_org()` and a table under `hauberk.protect()`: only a true, live proof shows rows."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from services.kit.org_proof import mint, pads, well_formed
from tests.support.stores import ORG_KEY, ORG_KID, DataStores

TABLE = "auth.rls_probe"


@pytest.fixture(scope="module")
def probe(data_stores: DataStores) -> Iterator[DataStores]:
    """A tenant table as a migration would make it, with 2000 rows in each of 20 organisations."""
    with psycopg.connect(data_stores.admin_dsn, autocommit=True) as admin:
        admin.execute(
            f"""
            SET ROLE hauberk_owner;
            CREATE TABLE {TABLE} (
                org_id text COLLATE "C" NOT NULL, id integer NOT NULL, note text, PRIMARY KEY (org_id, id));
            INSERT INTO {TABLE} SELECT 'org-' || o, i, 'x' FROM generate_series(1, 20) o, generate_series(1, 2000) i;
            SELECT hauberk.protect('{TABLE}');
            RESET ROLE;
            ANALYZE {TABLE};
            """
        )
        yield data_stores
        admin.execute(f"DROP TABLE {TABLE}")


def seen(stores: DataStores, proof: str | None, where: str = "true") -> int:
    with psycopg.connect(stores.service_dsn("auth")) as conn:
        if proof is not None:
            conn.execute("SELECT set_config('hauberk.org', %s, true)", [proof])
        row = conn.execute(f"SELECT count(*) FROM {TABLE} WHERE {where}".encode()).fetchone()
        assert row is not None
        return int(row[0])


def test_a_true_proof_shows_its_own_rows_only(probe: DataStores) -> None:
    assert seen(probe, probe.proof("org-1")) == 2000
    assert seen(probe, probe.proof("org-1"), "org_id = 'org-2'") == 0
    assert seen(probe, probe.proof("org-1"), "org_id = 'org-1' OR org_id = 'org-2' OR true") == 2000
    assert seen(probe, probe.proof("org-none")) == 0


def forgeries(stores: DataStores) -> dict[str, str | None]:
    true = stores.proof("org-1")
    org, expiry, kid, mac = true.split(".")
    flipped = ("0" if mac[0] != "0" else "1") + mac[1:]
    return {
        "unset": None,
        "empty": "",
        "the bare organisation": "org-1",
        "another organisation's mac": f"org-2.{expiry}.{kid}.{mac}",
        "a longer life": f"{org}.{int(expiry) + 1}.{kid}.{mac}",
        "a flipped mac": f"{org}.{expiry}.{kid}.{flipped}",
        "an upper-case mac": f"{org}.{expiry}.{kid}.{mac.upper()}",
        "a cut mac": true[:-1],
        "an odd tail": true + "\n",
        "an unknown key id": f"{org}.{expiry}.other.{mac}",
        "another key": stores.proof("org-1", key=b"k" * 32),
        "expired": stores.proof("org-1", -1),
        "an expiry beyond all numbers": f"{org}.{'9' * 40}.{kid}.{mac}",
        "a quote": f"org-1' OR '1'='1.{expiry}.{kid}.{mac}",
        "too many parts": true + ".x",
        "very long": "a" * 100_000,
    }


def test_every_forgery_reads_as_no_rows_and_never_as_an_error(probe: DataStores) -> None:
    for name, proof in forgeries(probe).items():
        assert seen(probe, proof) == 0, name
        assert seen(probe, proof, "org_id = 'org-1'") == 0, name


def test_a_proof_ends_with_its_time_inside_a_transaction(probe: DataStores) -> None:
    with psycopg.connect(probe.service_dsn("auth")) as conn:
        conn.execute("SELECT set_config('hauberk.org', %s, true)", [mint("org-1", time.time() + 2, ORG_KID, ORG_KEY)])
        query = "SELECT hauberk.current_org()"
        assert conn.execute(query).fetchone() == ("org-1",)
        time.sleep(2.1)
        assert conn.execute(query).fetchone() == (None,)


def test_a_proof_ends_with_its_transaction(probe: DataStores) -> None:
    with psycopg.connect(probe.service_dsn("auth")) as conn:
        conn.execute("SELECT set_config('hauberk.org', %s, true)", [probe.proof("org-1")])
        conn.commit()
        assert conn.execute(f"SELECT count(*) FROM {TABLE}".encode()).fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO auth.rls_probe VALUES ('org-2', 9999, 'y')",
        "UPDATE auth.rls_probe SET org_id = 'org-2' WHERE org_id = 'org-1' AND id = 1",
        "INSERT INTO auth.rls_probe VALUES ('org-1', 1, 'y') ON CONFLICT (org_id, id) DO UPDATE SET org_id = 'org-2'",
        "MERGE INTO auth.rls_probe t USING (SELECT 'org-2' o) s ON t.org_id = s.o"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.o, 9999, 'y')",
    ],
)
def test_writing_into_another_organisation_is_refused(probe: DataStores, statement: str) -> None:
    with psycopg.connect(probe.service_dsn("auth")) as conn:
        conn.execute("SELECT set_config('hauberk.org', %s, true)", [probe.proof("org-1")])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement.encode())


def test_changing_or_deleting_another_organisations_rows_hits_none(probe: DataStores) -> None:
    with psycopg.connect(probe.service_dsn("auth")) as conn:
        conn.execute("SELECT set_config('hauberk.org', %s, true)", [probe.proof("org-1")])
        assert conn.execute("UPDATE auth.rls_probe SET note = 'z' WHERE org_id = 'org-2'").rowcount == 0
        assert conn.execute("DELETE FROM auth.rls_probe WHERE org_id = 'org-2'").rowcount == 0


def test_the_proof_is_checked_once_per_statement_and_the_index_is_used(probe: DataStores) -> None:
    with psycopg.connect(probe.service_dsn("auth")) as conn:
        conn.execute("SELECT set_config('hauberk.org', %s, true)", [probe.proof("org-1")])
        rows = conn.execute(f"EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM {TABLE} WHERE id = 7".encode()).fetchall()
        plan = "\n".join(str(row[0]) for row in rows)
    assert "InitPlan" in plan
    assert "rls_probe_pkey" in plan
    assert "Seq Scan" not in plan


def test_a_permissive_policy_added_later_does_not_widen(probe: DataStores) -> None:
    with psycopg.connect(probe.admin_dsn) as admin:
        admin.execute(f"CREATE POLICY oops ON {TABLE} USING (true)".encode())
        admin.execute("SET LOCAL ROLE hauberk_auth")
        assert admin.execute(f"SELECT count(*) FROM {TABLE}".encode()).fetchone() == (0,)
        admin.rollback()


def test_the_owner_itself_sees_nothing(probe: DataStores) -> None:
    with psycopg.connect(probe.admin_dsn) as admin:
        admin.execute("SET LOCAL ROLE hauberk_owner")
        assert admin.execute(f"SELECT count(*) FROM {TABLE}".encode()).fetchone() == (0,)


def test_mint_and_pads_keep_their_rules() -> None:
    assert well_formed(mint("org-1", 2_000_000_000, "k1", ORG_KEY))
    assert [len(pad) for pad in pads(b"k" * 100)] == [64, 64]
    for org, kid, key in (("Org", "k", ORG_KEY), ("a.b", "k", ORG_KEY), ("org", "k.1", ORG_KEY), ("org", "k", b"s")):
        with pytest.raises(ValueError, match="key"):
            mint(org, 1, kid, key)
