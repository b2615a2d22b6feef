"""`hauberk keys`: what it says, what it does, what it refuses."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from services.kit.keys import KeyRing, write_private
from services.kit.provision import MAKERS

NAMES = [name for name in MAKERS if name != "org-mac"]

VALUES = {name: MAKERS[name]() for name in NAMES}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HAUBERK_DATABASE_ADMIN_URL", raising=False)
    for name in NAMES:
        write_private(tmp_path / "keys" / "holder" / f"{name}.0001.key", VALUES[name])
    return tmp_path / "keys"


def listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, Any]]]:
    capsys.readouterr()
    assert main(["keys", "list", "--json", "--keys", str(folder)]) == 0
    found: dict[str, list[dict[str, Any]]] = {}
    for version in json.loads(capsys.readouterr().out)["versions"]:
        found.setdefault(version["name"], []).append(version)
    return found


def test_every_key_rotates_and_says_from_when(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "rotate", "--all", "--keys", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said.count("made") == len(NAMES) and "UTC" in said
    found = listed(folder, capsys)
    assert {name: [v["state"] for v in versions] for name, versions in found.items()} == {
        name: ["waits", "active"] for name in NAMES
    }
    ring = KeyRing(folder / "holder", {})
    assert {ring.secret(name).kid for name in NAMES} == {"0001"}
    assert main(["keys", "list", "--keys", str(folder)]) == 0
    assert "used in" in capsys.readouterr().out


def test_a_second_rotation_waits_for_the_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["keys", "rotate", "canary", "--keys", str(folder)]) == 0
    assert "waits for its moment" in capsys.readouterr().out
    assert len(listed(folder, capsys)["canary"]) == 2


@pytest.mark.parametrize("command", [["rotate", "--all"], ["retire", "canary", "--kid", "0001", "--force"]])
def test_a_dry_run_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    main(["keys", "rotate", "canary", "--keys", str(folder)])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["keys", *command, "--dry-run", "--keys", str(folder)]) == 0
    assert "would" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_is_needed_stays_and_it_is_said_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "rotate", "--all", "--settle", "0", "--force", "--keys", str(folder)]) == 0
    capsys.readouterr()
    assert main(["keys", "retire", "--all", "--keys", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(NAMES) and all(line.startswith("stays") for line in lines)
    said = {line.split()[1]: line for line in lines}
    assert "transaction tokens made with it may live" in said["txn-signing"]
    assert "without the database" in said["api-key-pepper"]
    assert all(len(versions) == 2 for versions in listed(folder, capsys).values())


def test_force_retires_and_says_what_it_overruled(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["keys", "rotate", "txn-signing", "--keys", str(folder)])
    assert main(["keys", "retire", "txn-signing", "--kid", "0001", "--keys", str(folder)]) == 1
    assert main(["keys", "retire", "txn-signing", "--kid", "0001", "--force", "--keys", str(folder)]) == 0
    assert "although it is the active version" in capsys.readouterr().out
    (left,) = listed(folder, capsys)["txn-signing"]
    assert (left["state"], left["kid"][:5]) == ("active", "0002-")
    assert (folder / "holder" / "txn-signing.0001.retired").exists()
    assert main(["keys", "retire", "txn-signing", "--kid", left["kid"], "--force", "--keys", str(folder)]) == 1
    assert "only version" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["rotate"], "NAME or --all"),
        (["rotate", "canary", "--all"], "NAME or --all"),
        (["rotate", "nothing"], "no key nothing"),
        (["rotate", "canary", "--settle", "11"], "12 s"),
        (["rotate", "canary", "--settle", "-1", "--force"], "12 s"),
        (["retire", "canary", "--kid", "0009"], "no version 0009"),
    ],
)
def test_a_wrong_command_is_one_plain_line(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str], words: str
) -> None:
    assert main(["keys", *command, "--keys", str(folder)]) == 2
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and not said.out


def test_a_rotation_that_cannot_be_done_to_its_end_does_not_begin(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_private(folder / "holder" / "org-mac.0001.key", MAKERS["org-mac"]())
    assert main(["keys", "rotate", "--all", "--keys", str(folder)]) == 2
    assert "--database-admin-url" in capsys.readouterr().err
    assert all(len(versions) == 1 for versions in listed(folder, capsys).values())


@pytest.mark.parametrize("arguments", [["--data", "nowhere"], ["--keys", "nowhere"]])
def test_a_folder_that_is_none_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["keys", "list", *arguments]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_no_key_is_ever_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = [path.read_bytes() for path in folder.rglob("*.key")]
    for command in (["list"], ["rotate", "--all"], ["list", "--json"], ["retire", "--all"]):
        main(["keys", *command, "--keys", str(folder)])
    said = capsys.readouterr()
    for value in values:
        for form in (value.hex(), base64.b64encode(value).decode(), value.decode("latin-1")):
            assert form[:20] not in said.out + said.err or form.startswith("-----BEGIN")
            assert form[60:80] not in said.out + said.err or len(form) <= 60
