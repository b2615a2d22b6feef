"""prepare: keys, certificates, passwords and settings, made once and kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from cli.bundles import bundle
from cli.certificates import examine
from cli.main import main
from cli.prepared import HOLDERS, Preparation, Site
from cli.services import NAMES, settings_type
from services.kit.keys import KeyRing
from services.kit.provision import MAKERS
from services.kit.tls import TlsFiles

ADMIN = "postgresql://postgres:hunter2@db.example:5433/hauberk?sslmode=require"


def prepared(folder: Path, database: str = "", *, hosts: bool = False) -> Preparation:
    work = Preparation(Site(folder, "hauberk.local", "redis://cache:6379", database, hosts=hosts))
    work.keys()
    work.certificates()
    work.passwords()
    work.settings()
    return work


def test_every_key_has_a_holder_and_nobody_else_holds_it(tmp_path: Path) -> None:
    assert set(HOLDERS) == set(MAKERS)
    prepared(tmp_path)
    for name, holder in HOLDERS.items():
        assert KeyRing(tmp_path / "keys" / holder, {}).secret(name).value
    assert not list((tmp_path / "keys" / "gateway").iterdir())
    assert not list((tmp_path / "keys" / "ratelimit").iterdir())


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    prepared(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = prepared(tmp_path)
    assert not again.done
    assert again.kept
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_nothing_secret_is_readable_by_others(tmp_path: Path) -> None:
    prepared(tmp_path, ADMIN)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".crt":
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hosts", [True, False])
def test_each_settings_file_is_one_that_its_service_loads(tmp_path: Path, name: str, hosts: bool) -> None:
    prepared(tmp_path, ADMIN, hosts=hosts)
    settings = settings_type(name).load({"HAUBERK_CONFIG": str(tmp_path / "settings" / f"{name}.yaml")})
    TlsFiles.of(settings)
    assert set(settings.peers) == set(NAMES) - {name, "gateway"}
    assert settings.listen.endswith(":7443") is (hosts or name == "gateway")


def test_the_edge_is_a_backend_with_a_certificate_that_it_can_serve(tmp_path: Path) -> None:
    prepared(tmp_path, ADMIN)
    settings = settings_type("edge").load({"HAUBERK_CONFIG": str(tmp_path / "settings" / "edge.yaml")})
    report = examine(TlsFiles.of(settings))
    assert (report.workload, report.serves, report.problems) == (
        "spiffe://hauberk.local/backend/edge",
        ("edge.hauberk.internal",),
        [],
    )
    assert set(settings.peers) == set(NAMES) - {"gateway"}
    assert not settings.database_url.get_secret_value()


def test_a_service_gets_its_own_role_not_the_administrator(tmp_path: Path) -> None:
    prepared(tmp_path, ADMIN)
    url = settings_type("tenancy").load({"HAUBERK_CONFIG": str(tmp_path / "settings" / "tenancy.yaml")}).database_url
    text = url.get_secret_value()
    for part in ("user=hauberk_tenancy", "host=db.example", "port=5433", "sslmode=require"):
        assert part in text
    assert "hunter2" not in text


def test_the_command_says_what_it_did_and_what_it_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HAUBERK_DATABASE_ADMIN_URL", raising=False)
    assert main(["prepare", "--folder", str(tmp_path / "made")]) == 0
    first = capsys.readouterr().out
    assert "made" in first and "keys" in first and "left" in first and "database" in first
    assert main(["prepare", "--folder", str(tmp_path / "made"), "--no-certificates"]) == 0
    assert "kept" in capsys.readouterr().out


def test_an_unreachable_database_is_one_line_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://postgres:hunter2@127.0.0.1:1/hauberk"
    assert main(["prepare", "--folder", str(tmp_path), "--database-admin-url", url]) == 2
    said = capsys.readouterr()
    assert said.err == "hauberk: postgres is unavailable\n"
    assert "hunter2" not in said.out


def test_pattern_databases_are_made_once_and_go_to_redaction_alone(tmp_path: Path) -> None:
    work = prepared(tmp_path / "prepared")
    work.patterns()
    work.patterns()
    assert [line.split(":")[0] for line in (work.done[-1], work.kept[-1])] == ["pattern databases"] * 2
    (made,) = (tmp_path / "prepared" / "patterns").iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    settings = yaml.safe_load((tmp_path / "prepared" / "settings" / "redaction.yaml").read_text())
    assert settings["redaction_patterns"] == str(made.parent)
    bundle(tmp_path / "prepared", tmp_path / "bundles")
    assert [path.parts[-3] for path in (tmp_path / "bundles").rglob("*.patterns")] == ["redaction"]
