"""`hauberk certs`: development certificates, and what is said of any."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from cli.certificates import examine, pairs_in
from cli.main import main
from services.kit import certs
from services.kit.tls import TlsFiles
from tests.unit.kit.world import certificate, serving

DOMAIN = "hauberk.local"


def made(folder: Path, *more: str) -> int:
    return main(["certs", "dev", "--folder", str(folder), *more])


def checked(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = main(["certs", "check", "--folder", str(folder), "--json", *more])
    return status, json.loads(capsys.readouterr().out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_made_is_good_and_kept_until_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert made(tmp_path) == 0
    assert "until" in capsys.readouterr().out
    before = contents(tmp_path)
    assert made(tmp_path) == 0
    said = capsys.readouterr().out
    assert contents(tmp_path) == before and "--force" in said and "renewed" not in said
    assert made(tmp_path, "--force") == 0
    after = contents(tmp_path)
    assert {name for name in before if before[name] == after[name]} == {"ca.crt", "ca.pem"}
    status, found = checked(tmp_path, capsys)
    assert status == 0 and not any(entry["problems"] for entry in found["certificates"])
    names = {entry["name"]: entry for entry in found["certificates"]}
    assert names["auth"]["workload"] == f"spiffe://{DOMAIN}/auth"
    assert names["auth"]["serves"] == ["auth.hauberk.internal"]
    assert names["backend-app"]["serves"] == []


def test_one_more_backend_and_its_renewal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path, "--workload", "backend/shop")
    assert {path.name for path in tmp_path.iterdir()} == {"ca.crt", "ca.pem", "backend-shop.crt", "backend-shop.pem"}
    made(tmp_path, "--force")
    assert "renewed  backend/shop" in capsys.readouterr().out


def test_the_authority_changes_in_three_steps_and_in_no_other_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path)
    assert made(tmp_path, "--new-authority") == 0
    assert made(tmp_path, "--drop-old-authorities") == 2
    assert "renew them first" in capsys.readouterr().err
    assert checked(tmp_path, capsys)[0] == 0
    assert made(tmp_path, "--force") == 0
    assert made(tmp_path, "--drop-old-authorities") == 0
    status, found = checked(tmp_path, capsys)
    assert status == 0 and found["certificates"][0]["notes"] == []


def test_an_authority_of_somebody_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "theirs")
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "ca.crt").write_bytes((tmp_path / "theirs" / "ca.crt").read_bytes())
    for more in ([], ["--force"], ["--new-authority"]):
        assert made(ours, *more) == 2
    assert "somebody else" in capsys.readouterr().err
    assert [path.name for path in ours.iterdir()] == ["ca.crt"]


def spoilt(tmp_path: Path, how: str) -> TlsFiles:
    files = certs.issue(tmp_path, DOMAIN, "auth", serves=["auth"])
    other = certs.issue(tmp_path / "other", DOMAIN, "auth", serves=["auth"])
    uri = x509.UniformResourceIdentifier(f"spiffe://{DOMAIN}/auth")
    if how == "readable by others":
        files.key.chmod(0o640)
    elif how == "is not the key":
        files.key.write_bytes(other.key.read_bytes())
    elif how == "no authority of the bundle signed it":
        files.ca.write_bytes(other.ca.read_bytes())
    elif how == "exactly one URI name":
        return certificate(tmp_path, "two", [uri, x509.UniformResourceIdentifier(f"spiffe://{DOMAIN}/operator")])
    elif how == "holds no certificate":
        files.cert.write_bytes(b"")
    return files


@pytest.mark.parametrize(
    "how",
    [
        "readable by others",
        "is not the key",
        "no authority of the bundle signed it",
        "exactly one URI name",
        "holds no certificate",
    ],
)
def test_each_fault_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    spoilt(tmp_path, how)
    status, found = checked(tmp_path, capsys)
    assert status == 1
    assert any(how in problem for entry in found["certificates"] for problem in entry["problems"])
    assert main(["certs", "check", "--folder", str(tmp_path)]) == 1
    assert "bad" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("days", "problem", "note"),
    [(-1, "not valid yet", ""), (300, "", ""), (340, "", "expires soon"), (366, "has expired", "")],
)
def test_dates_are_looked_at(tmp_path: Path, days: int, problem: str, note: str) -> None:
    report = examine(certs.issue(tmp_path, DOMAIN, "auth"), datetime.now(UTC) + timedelta(days=days))
    assert [bool(report.problems), bool(report.notes)] == [bool(problem), bool(note)]
    assert not problem or problem in report.problems[0]


async def test_a_server_is_asked_what_it_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path) as world:
        address = f"127.0.0.1:{world.server.port}"
        status, found = await asyncio.to_thread(checked, tmp_path, capsys, "--probe", address)
        assert (status, [name for name, accepted in found["accepts"].items() if accepted]) == (0, ["TLSv1_3"])
    assert await asyncio.to_thread(main, ["certs", "check", "--folder", str(tmp_path), "--probe", address]) == 2
    assert "cannot be probed" in capsys.readouterr().err


def test_an_empty_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certs", "check", "--folder", str(tmp_path)]) == 2
    assert "no certificates" in capsys.readouterr().err
    assert list(pairs_in(tmp_path)) == []
