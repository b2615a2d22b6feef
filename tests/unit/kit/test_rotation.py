"""Rotation on disk: what state a version is in, and what speaks against withdrawing it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.kit.key_kinds import KINDS
from services.kit.keys import KeyMissingError, KeyRing, write_private
from services.kit.provision import ensure_keys, symmetric_key
from services.kit.rotation import KeyFolder, State, Version, objections

NAME = "admission"


def folder(tmp_path: Path) -> KeyFolder:
    ensure_keys(tmp_path)
    return KeyFolder(tmp_path)


def rotated(keys: KeyFolder, settle: float, name: str = NAME) -> str:
    kid = keys.plan(name, settle)
    keys.introduce(name, kid, KINDS[name].make())
    return kid


def states(keys: KeyFolder, now: float | None = None) -> list[tuple[str, State]]:
    return [(version.kid, version.state) for version in keys.versions(NAME, now)]


def test_a_version_waits_is_used_is_kept(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    second = rotated(keys, 100)
    assert states(keys) == [(second, State.WAITS), ("0001", State.ACTIVE)]
    assert states(keys, time.time() + 101) == [(second, State.ACTIVE), ("0001", State.KEPT)]
    assert KeyRing(tmp_path, {}).secret(NAME).kid == "0001"


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_old_version_is_needed_for_as_long_as_what_it_made_may_live(tmp_path: Path, name: str) -> None:
    keys = folder(tmp_path)
    rotated(keys, 10, name)
    keep = KINDS[name].keep_seconds or 0.0
    begins = time.time() + 10

    def against(later: float) -> list[str]:
        return objections(keys.versions(name, begins + later)[1], begins + later)

    assert "active version" in against(-5)[0]
    if keep:
        assert "may live" in against(keep - 5)[0]
    assert against(keep + 5) == []
    assert objections(keys.versions(name)[0], time.time()) == []  # one that waits made nothing yet


def test_copies_are_rotated_together_and_a_withdrawn_name_is_never_given_again(tmp_path: Path) -> None:
    for host in ("one", "two"):
        write_private(tmp_path / host / f"{NAME}.0001.key", b"k" * 32)
    keys = KeyFolder(tmp_path)
    second = rotated(keys, 0)
    values = {(tmp_path / host / f"{NAME}.{second}.key").read_bytes() for host in ("one", "two")}
    assert len(values) == 1
    keys.withdraw(keys.versions(NAME)[0], erase=False)
    assert states(keys) == [("0001", State.ACTIVE)]
    assert keys.plan(NAME, 0).startswith("0003-")
    assert (tmp_path / "two" / f"{NAME}.{second}.retired").stat().st_mode & 0o077 == 0


def test_erased_is_gone(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    rotated(keys, 0)
    keys.withdraw(keys.versions(NAME)[1], erase=True)
    assert not list(tmp_path.glob(f"{NAME}.0001.*"))
    assert set(keys.secrets(NAME)) == {version.kid for version in keys.versions(NAME)}


def test_names_that_nobody_knows_rotate_too(tmp_path: Path) -> None:
    write_private(tmp_path / "something-new.0001.key", symmetric_key())
    keys = KeyFolder(tmp_path)
    assert keys.names() == ["something-new"]
    (version,) = keys.versions("something-new")
    assert isinstance(version, Version) and version.state is State.ACTIVE
    assert keys.versions("nothing") == []


def test_a_folder_without_keys_is_none(tmp_path: Path) -> None:
    with pytest.raises(KeyMissingError, match="no key files"):
        KeyFolder(tmp_path)
