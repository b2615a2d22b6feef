"""Each probe fails when what it looks for is not so: on a real database, on real files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from cli.evidence import database, transport
from cli.evidence.model import Found
from services.kit import certs
from services.kit.provision import ensure_keys
from tests.support.stores import DataStores

OWNER = "SET ROLE hauberk_owner; "


@pytest.mark.parametrize(
    ("probe", "weaken", "mend", "said"),
    [
        (
            database.rls_forced,
            OWNER + "CREATE TABLE guardrail.evidence_probe (org_id text)",
            "DROP TABLE guardrail.evidence_probe",
            "guardrail.evidence_probe",
        ),
        (
            database.rls_forced,
            "ALTER TABLE guardrail.tools NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE guardrail.tools FORCE ROW LEVEL SECURITY",
            "guardrail.tools",
        ),
        (
            database.roles_bound,
            "CREATE ROLE hauberk_evidence_probe LOGIN BYPASSRLS",
            "DROP ROLE hauberk_evidence_probe",
            "hauberk_evidence_probe",
        ),
        (
            database.roles_bound,
            "GRANT hauberk_owner TO hauberk_guardrail",
            "REVOKE hauberk_owner FROM hauberk_guardrail",
            "hauberk_guardrail",
        ),
        (
            database.audit_append_only,
            "GRANT INSERT ON audit.events TO hauberk_audit",
            "REVOKE INSERT ON audit.events FROM hauberk_audit",
            "hauberk_audit",
        ),
    ],
)
def test_a_weakened_database_is_a_gap(
    data_stores: DataStores, probe: Callable[[str], Found], weaken: str, mend: str, said: str
) -> None:
    dsn = data_stores.service_dsn("audit_retention")
    assert probe(dsn).status == "holds", probe(dsn).words
    with psycopg.connect(data_stores.admin_dsn, autocommit=True) as admin:
        admin.execute(weaken.encode())
        try:
            found = probe(dsn)
        finally:
            admin.execute("RESET ROLE")
            admin.execute(mend.encode())
    assert (found.status, said in found.words) == ("fails", True), found.words


def test_durability_is_read_from_the_server(data_stores: DataStores, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = data_stores.service_dsn("audit_retention")
    assert database.database_durability(dsn).status == "holds"
    monkeypatch.setitem(database._WANTED, "fsync", "off")
    assert "fsync" in database.database_durability(dsn).words


def test_keys_that_are_old_or_open_and_certificates_that_end_are_gaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    ensure_keys(keys)
    assert transport.key_ages(keys).status == "holds"
    one = keys / "org-mac.0001.key"
    old = time.time() - 400 * 86_400
    os.utime(one, (old, old))
    assert "org-mac" in transport.key_ages(keys).words
    os.utime(one)
    one.chmod(0o644)
    assert transport.key_ages(keys).status == "fails"
    files = certs.issue(tmp_path / "tls", "hauberk.local", "auth", serves=["auth"])
    own = [files.cert, files.ca]
    assert transport.certificates(own).status == "holds"
    assert transport.certificates([]).status == "fails"
    monkeypatch.setattr(transport, "_SOON_DAYS", 366)
    assert "auth.crt" in transport.certificates(own).words
    made = transport.production_material(own, keys, tmp_path)
    assert "2 certificates are of development; keys lie beside the data" in made.words
    assert transport.production_material([], keys, tmp_path / "data").status == "holds"
