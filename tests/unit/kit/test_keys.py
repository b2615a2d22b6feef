"""The key port: private files only, a missing key stops the start, the newest version is the active one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from services.kit.keys import KeyMissingError, KeyRing, VersionedSecret, write_private

NAME = "api-key-pepper"
VARIABLE = "HAUBERK_KEY_API_KEY_PEPPER"


def ring(folder: Path | None, **environ: str) -> KeyRing:
    return KeyRing(folder, environ)


def value(fill: str) -> bytes:
    return fill.encode().ljust(32, b".")


def test_the_greatest_version_is_active_and_older_ones_stay(tmp_path: Path) -> None:
    for kid in ("2", "10", "1"):
        write_private(tmp_path / f"{NAME}.{kid}.key", value(kid))
    found = ring(tmp_path).versions(NAME)
    assert [version.kid for version in found] == ["10", "2", "1"]
    assert ring(tmp_path).secret(NAME).value == value("10")


def test_a_name_is_not_a_prefix(tmp_path: Path) -> None:
    write_private(tmp_path / "api-key-pepper-old.0009.key", b"x")
    write_private(tmp_path / "api-key.0009.key", b"x")
    with pytest.raises(KeyMissingError):
        ring(tmp_path).secret(NAME)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / f"{NAME}.1.key"
    write_private(path, b"hunter2")
    path.chmod(mode)
    with pytest.raises(KeyMissingError, match=r"api-key-pepper\.1\.key is readable by others") as caught:
        ring(tmp_path).secret(NAME)
    assert "hunter2" not in str(caught.value)


def test_an_empty_file_is_no_key(tmp_path: Path) -> None:
    write_private(tmp_path / f"{NAME}.1.key", b"")
    with pytest.raises(KeyMissingError, match="empty"):
        ring(tmp_path).secret(NAME)


@pytest.mark.parametrize("folder", [None, "nowhere", "."])
def test_a_missing_key_is_named_with_where_it_could_be(tmp_path: Path, folder: str | None) -> None:
    keys = ring(None if folder is None else tmp_path / folder)
    with pytest.raises(KeyMissingError, match=r"key api-key-pepper: no api-key-pepper.*" + VARIABLE):
        keys.secret(NAME)


def test_a_variable_serves_where_files_cannot() -> None:
    keys = ring(None, **{VARIABLE: "7:" + base64.b64encode(value("secret")).decode()})
    assert keys.secret(NAME) == VersionedSecret("7", value("secret"))


@pytest.mark.parametrize("text", ["hunter2", "1:", ":aHVudGVyMg==", "1:hunter2!", "A B:aHVudGVyMg=="])
def test_a_variable_of_another_shape_is_no_key(text: str) -> None:
    with pytest.raises(KeyMissingError, match=VARIABLE) as caught:
        ring(None, **{VARIABLE: text}).secret(NAME)
    assert "hunter2" not in str(caught.value)


def test_a_key_never_prints() -> None:
    assert "hunter2" not in repr(VersionedSecret("1", b"hunter2"))


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / f"{NAME}.1.key"
    write_private(path, b"one")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with pytest.raises(FileExistsError):
        write_private(path, b"two")
