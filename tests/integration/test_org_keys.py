"""The database in a rotation: both versions prove an organisation, a refused one nothing; dependants are counted."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cli.errors import CliError
from cli.keyring import KeyPlace
from services.kit import org_keys
from services.kit.errors import FailedPrecondition, Unavailable
from services.kit.key_kinds import API_KEY_PEPPER, EDGE_KEK, KINDS, ORG_MAC, WEBHOOK_KEK
from services.kit.key_versions import next_kid
from services.kit.keys import write_private
from services.kit.org_proof import mint
from services.kit.rotation import KeyFolder
from services.kit.sealing import put_together
from tests.support.stores import ORG_KEY, ORG_KID, DataStores

ORG = "rotating-org"
OLD = "0001"


def proven(stores: DataStores, proof: str) -> str | None:
    with psycopg.connect(stores.service_dsn("auth")) as connection:
        connection.execute("SELECT set_config('hauberk.org', %s, true)", [proof])
        row = connection.execute("SELECT hauberk.current_org()").fetchone()
    assert row is not None
    return None if row[0] is None else str(row[0])


def proof(kid: str, key: bytes) -> str:
    return mint("acme", time.time() + 60, kid, key)


def as_admin(stores: DataStores, statement: str, *values: object) -> None:
    with psycopg.connect(stores.admin_dsn, autocommit=True) as admin:
        admin.execute(statement.encode(), values)


@pytest.fixture
def fresh(data_stores: DataStores) -> Iterator[tuple[str, bytes]]:
    kid, key = next_kid(["0001"], time.time() + 600), secrets.token_bytes(32)
    yield kid, key
    as_admin(data_stores, "DELETE FROM hauberk.org_mac_keys WHERE kid = %s", kid)


def test_both_versions_prove_until_one_is_refused(data_stores: DataStores, fresh: tuple[str, bytes]) -> None:
    assert proven(data_stores, proof(*fresh)) is None
    org_keys.accept(data_stores.admin_dsn, dict([fresh]))
    assert proven(data_stores, proof(*fresh)) == "acme"
    assert proven(data_stores, proof(ORG_KID, ORG_KEY)) == "acme"
    assert org_keys.accepted(data_stores.admin_dsn) >= {fresh[0], ORG_KID}
    org_keys.refuse(data_stores.admin_dsn, fresh[0])
    assert proven(data_stores, proof(*fresh)) is None
    assert proven(data_stores, proof(ORG_KID, ORG_KEY)) == "acme"


def place(tmp_path: Path, database: str, name: str = ORG_MAC) -> KeyPlace:
    write_private(tmp_path / f"{name}.{OLD}.key", secrets.token_bytes(32))
    return KeyPlace(KeyFolder(tmp_path), database)


def test_the_database_accepts_a_version_before_its_file_is_there(data_stores: DataStores, tmp_path: Path) -> None:
    keys = place(tmp_path, data_stores.admin_dsn)
    kid, _ = keys.introduce(ORG_MAC, 600)
    try:
        assert proven(data_stores, proof(kid, keys.folder.secrets(ORG_MAC)[kid])) == "acme"
        assert keys.problems() == []
        keys.withdraw(keys.folder.versions(ORG_MAC)[0], erase=True)
        assert kid not in org_keys.accepted(data_stores.admin_dsn)
    finally:
        as_admin(data_stores, "DELETE FROM hauberk.org_mac_keys WHERE kid = ANY (%s)", [kid, OLD])


@pytest.mark.parametrize(("database", "error"), [("", CliError), ("host=127.0.0.1 port=9 user=nobody", Unavailable)])
def test_without_the_database_no_file_is_written(tmp_path: Path, database: str, error: type[Exception]) -> None:
    keys = place(tmp_path, database)
    with pytest.raises(error):
        keys.introduce(ORG_MAC, 600)
    assert [path.name for path in tmp_path.iterdir()] == [f"{ORG_MAC}.{OLD}.key"]


@pytest.mark.parametrize("kid", ["a.b", "", "x" * 65, "a'b"])
def test_a_name_that_no_proof_can_carry_is_refused(data_stores: DataStores, kid: str) -> None:
    with pytest.raises(FailedPrecondition):
        org_keys.accept(data_stores.admin_dsn, {kid: b"k" * 32})


KEY = """
INSERT INTO auth.api_keys (org_id, key_id, digest, pepper, subject, scopes, last_four, created_by, revoked_at)
VALUES (%s, %s, %s, %s, 'ada', '{chat}', 'abcd', 'ada', %s)
"""


def test_keys_and_secrets_that_need_an_old_version_are_counted(data_stores: DataStores) -> None:
    kid, dsn = "0001-counted", data_stores.admin_dsn
    try:
        for number, revoked in enumerate([None, None, "2020-01-01"]):
            as_admin(data_stores, KEY, ORG, f"key_{number:016}", secrets.token_bytes(32), kid, revoked)
        sealed = kid.encode() + b":" + secrets.token_bytes(40)
        as_admin(
            data_stores,
            "INSERT INTO auth.key_settings (org_id, webhook_url, webhook_secret) VALUES (%s, 'https://x.example', %s)",
            ORG,
            sealed,
        )
        assert org_keys.dependants(dsn, API_KEY_PEPPER, kid) == [
            "2 API keys (each moves on when it is used) still need it"
        ]
        (webhooks,) = org_keys.dependants(dsn, WEBHOOK_KEK, kid)
        assert webhooks.startswith("1 secrets of webhooks")
        newer = put_together(kid, secrets.token_bytes(40))  # as they are sealed now
        as_admin(data_stores, "UPDATE auth.key_settings SET webhook_secret = %s WHERE org_id = %s", newer, ORG)
        assert org_keys.dependants(dsn, WEBHOOK_KEK, kid) == [webhooks]
        assert org_keys.dependants(dsn, WEBHOOK_KEK, "other") == []
        assert org_keys.dependants(dsn, EDGE_KEK, kid) == []
        for name in (name for name, kind in KINDS.items() if kind.keep_seconds is None):
            assert org_keys.dependants(dsn, name, "0001-other") == []
        assert org_keys.dependants(dsn, "new-kek", kid) == ["what is stored under it is not counted"]
    finally:
        for table in ("api_keys", "key_settings"):
            as_admin(data_stores, f"DELETE FROM auth.{table} WHERE org_id = %s", ORG)


def test_an_administrator_who_does_not_see_every_row_does_not_count(data_stores: DataStores) -> None:
    (words, *_) = org_keys.dependants(data_stores.service_dsn("auth"), WEBHOOK_KEK, OLD)
    assert "cannot be counted" in words
