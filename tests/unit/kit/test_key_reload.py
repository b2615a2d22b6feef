"""Key files change under a running process: good news is taken within a second, bad news takes nothing down."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.kit.key_versions import next_kid
from services.kit.keys import POLL_SECONDS, Derived, KeyMissingError, KeyRing, VersionedSecret, write_private
from services.kit.provision import MAKERS, rsa_key, signing_key

NAME = "admission"


class Watched:
    """A ring over a folder, with both clocks in hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = 1_000_000.0
        self.put("0001")
        self.ring = KeyRing(folder, {}, now=lambda: self.time, tick=lambda: self.time)

    def put(self, kid: str, value: bytes | None = None) -> Path:
        path = self.folder / f"{NAME}.{kid}.key"
        write_private(path, kid.encode().ljust(32, b".") if value is None else value)
        return path

    def kids(self, later: float = POLL_SECONDS) -> list[str]:
        self.time += later
        return [version.kid for version in self.ring.versions(NAME)]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    found = Watched(tmp_path)
    assert found.kids(0) == ["0001"]
    return found


def test_a_new_version_is_accepted_within_a_second_and_used_from_its_moment_on(watched: Watched) -> None:
    kid = next_kid(["0001"], watched.time + 10)
    watched.put(kid)
    assert watched.kids(0) == ["0001"]
    assert watched.kids() == ["0001", kid]
    assert watched.kids(8) == ["0001", kid]
    assert watched.kids(1.1) == [kid, "0001"]


def test_two_processes_change_over_at_the_same_moment(watched: Watched) -> None:
    kid = next_kid(["0001"], watched.time + 10)
    watched.put(kid)
    late = KeyRing(watched.folder, {}, now=lambda: watched.time, tick=lambda: watched.time)
    for later in (1.0, 5.0, 3.9, 0.2, 5.0):
        watched.kids(later)
        assert late.secret(NAME).kid == ("0001" if watched.time < 1_000_010 else watched.ring.secret(NAME).kid)
    assert watched.kids() == [kid, "0001"]


def test_nothing_new_is_the_same_object(watched: Watched) -> None:
    before = watched.ring.versions(NAME)
    watched.time += 60
    assert watched.ring.versions(NAME) is before


def test_a_withdrawn_version_is_gone_within_a_second(watched: Watched) -> None:
    old = watched.folder / f"{NAME}.0001.key"
    watched.put("0002")
    assert watched.kids() == ["0002", "0001"]
    old.rename(old.with_suffix(".retired"))
    assert watched.kids() == ["0002"]


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def shortened(path: Path) -> None:
    path.write_bytes(b"short")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOILT = [open_to_all, emptied, shortened, a_folder]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_bad_new_file_is_ignored_loudly_until_it_is_good(watched: Watched, spoil: Callable[[Path], None]) -> None:
    path = watched.put("0002")
    spoil(path)
    with capture_logs() as logs:
        assert watched.kids() == ["0001"]
        assert watched.kids() == ["0001"]
    assert [(entry["log_level"], entry["key"], entry["version"]) for entry in logs] == [("critical", NAME, "v0002")]
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    watched.put("0002")
    assert watched.kids() == ["0002", "0001"]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_file_that_goes_bad_keeps_its_last_good_value(watched: Watched, spoil: Callable[[Path], None]) -> None:
    before = watched.ring.secret(NAME)
    spoil(watched.folder / f"{NAME}.0001.key")
    with capture_logs() as logs:
        watched.time += POLL_SECONDS
        assert watched.ring.secret(NAME) == before
    assert logs[0]["log_level"] == "critical"
    watched.put("0002")
    assert watched.kids() == ["0002", "0001"]


def test_a_bad_file_does_not_stand_in_the_way_of_a_withdrawal(watched: Watched) -> None:
    watched.put("0002")
    watched.put("0003", b"bad")
    assert watched.kids() == ["0002", "0001"]
    (watched.folder / f"{NAME}.0001.key").unlink()
    assert watched.kids() == ["0002"]


def test_a_folder_that_goes_away_withdraws_nothing(watched: Watched) -> None:
    shutil.rmtree(watched.folder)
    with capture_logs() as logs:
        assert watched.kids() == ["0001"]
        assert watched.kids() == ["0001"]
    assert [entry["log_level"] for entry in logs] == ["critical"]


def test_a_moment_that_does_not_exist_is_a_bad_file(watched: Watched) -> None:
    watched.put("0002-20261399t000000z")
    assert watched.kids() == ["0001"]
    with pytest.raises(KeyMissingError, match="20261399"):
        KeyRing(watched.folder, {}).versions(NAME)


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_same_file_stops_a_start_and_is_named(tmp_path: Path, name: str, spoil: Callable[[Path], None]) -> None:
    for kid in ("0001", "0002"):
        write_private(tmp_path / f"{name}.{kid}.key", MAKERS[name]())
    spoil(tmp_path / f"{name}.0002.key")
    with pytest.raises(KeyMissingError, match=rf"{name}\.0002\.key"):
        KeyRing(tmp_path, {}).versions(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [("txn-signing", b"x" * 40), ("txn-signing", rsa_key()), ("ctx-signing", signing_key()), ("ctx-kek", b"x" * 31)],
)
def test_a_key_of_another_kind_stops_a_start(tmp_path: Path, name: str, value: bytes) -> None:
    write_private(tmp_path / f"{name}.0001.key", value)
    with pytest.raises(KeyMissingError, match=rf"{name}\.0001\.key"):
        KeyRing(tmp_path, {}).versions(name)


class Port:
    """Versions as a test says."""

    def __init__(self, *kids: str) -> None:
        self.kept: Sequence[VersionedSecret] = [VersionedSecret(kid, b"") for kid in kids]

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return self.kept


def test_what_is_made_of_versions_is_made_once_for_each_set_and_the_last_good_one_stays() -> None:
    made: list[str] = []

    def make(versions: Sequence[VersionedSecret]) -> str:
        if versions[0].kid == "bad":
            raise KeyMissingError("malformed")
        made.append(versions[0].kid)
        return made[-1]

    port = Port("a")
    derived = Derived(port, NAME, make)
    assert [derived(), derived()] == ["a", "a"]
    port.kept = list(port.kept)
    assert derived() == "a"
    port.kept = Port("b").kept
    assert [derived(), derived()] == ["b", "b"]
    port.kept = Port("bad").kept
    with capture_logs() as logs:
        assert [derived(), derived()] == ["b", "b"]
    assert (made, [entry["log_level"] for entry in logs]) == (["a", "b"], ["critical"])
    with pytest.raises(KeyMissingError):
        Derived(Port("bad"), NAME, make)
