"""A key set that outlives the process: believed only when it is ours, whole, private and not too old."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.auth.adapters.jwks.cache import CachePolicy, JwksCache
from services.auth.adapters.jwks.kept import KeptSet, KeptText, usable
from services.auth.adapters.jwks.source import SourceError
from services.kit.errors import Unavailable
from services.kit.keys import VersionedSecret
from tests.unit.auth.fakes import HandClock
from tests.unit.auth.issuer import OTHER_RSA_KEY, jwk, key_set

RS = frozenset({"RS256"})
BOUND = ("https://login.acme.test", "https://login.acme.test/keys", "RS256")
GOOD = key_set(jwk())


@dataclass
class Secrets:
    """A key port."""

    kept: list[VersionedSecret] = field(default_factory=lambda: [VersionedSecret("a1", b"1" * 32)])

    def versions(self, name: str) -> list[VersionedSecret]:
        return self.kept


@dataclass
class Endpoint:
    """A source that answers or fails."""

    text: bytes = GOOD
    away: bool = False

    async def read(self) -> bytes:
        if self.away:
            raise SourceError("transport")
        return self.text

    async def version(self) -> str:
        return ""


def kept_in(folder: Path, secrets: Secrets | None = None, bound_to: tuple[str, ...] = BOUND) -> KeptSet:
    return KeptSet(folder, "acme-login", bound_to, secrets or Secrets())


def process(folder: Path, clock: HandClock, endpoint: Endpoint, secrets: Secrets | None = None) -> JwksCache:
    return JwksCache("acme", endpoint, RS, clock, CachePolicy(), kept_in(folder, secrets))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "acme-login.jwks"


async def test_a_restart_without_the_issuer(tmp_path: Path, clock: HandClock) -> None:
    assert await process(tmp_path, clock, Endpoint()).find("k1")
    clock.time += 3600
    fresh = process(tmp_path, clock, Endpoint(away=True))
    assert await fresh.restore()
    assert await fresh.find("k1")
    assert fresh.generation() == 1


async def test_the_age_counts_across_the_restart(tmp_path: Path, clock: HandClock) -> None:
    assert await process(tmp_path, clock, Endpoint()).find("k1")
    clock.time += 86_399
    fresh = process(tmp_path, clock, Endpoint(away=True))
    assert await fresh.restore()
    assert await fresh.find("k1")
    clock.time += 1
    assert fresh.generation() is None
    with pytest.raises(Unavailable):
        await fresh.find("k1")
    assert not await process(tmp_path, clock, Endpoint(away=True)).restore()


async def test_a_set_from_the_future_is_not_believed(tmp_path: Path, clock: HandClock) -> None:
    assert await process(tmp_path, clock, Endpoint()).find("k1")
    clock.time -= 10
    assert not await process(tmp_path, clock, Endpoint()).restore()


async def test_the_newest_set_is_kept_and_only_its_owner_reads_it(tmp_path: Path, path: Path, clock: HandClock) -> None:
    endpoint = Endpoint()
    cache = process(tmp_path, clock, endpoint)
    assert await cache.load()
    endpoint.text = key_set(jwk(OTHER_RSA_KEY, kid="k2"))
    clock.time += 300
    assert await cache.load()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600
    fresh = process(tmp_path, clock, Endpoint(away=True))
    assert await fresh.restore()
    with pytest.raises(Unavailable):  # the withdrawn key does not come back with the restart
        await fresh.find("k1")
    assert await fresh.find("k2")


async def test_what_cannot_be_used_is_not_kept(tmp_path: Path, clock: HandClock) -> None:
    cache = process(tmp_path, clock, Endpoint())
    assert await cache.load()
    before = (tmp_path / "acme-login.jwks").read_bytes()
    broken = process(tmp_path, clock, Endpoint(b"<html>"))
    assert not await broken.load()
    assert (tmp_path / "acme-login.jwks").read_bytes() == before


def flip(path: Path, index: int) -> None:
    data = bytearray(path.read_bytes())
    data[index] ^= 1
    path.write_bytes(data)


def exchange_key(path: Path) -> None:
    seal, head, _ = path.read_bytes().split(b"\n", 2)
    path.write_bytes(b"\n".join((seal, head, key_set(jwk(OTHER_RSA_KEY)))))


def rejuvenate(path: Path) -> None:
    seal, head, text = path.read_bytes().split(b"\n", 2)
    path.write_bytes(b"\n".join((seal, head.replace(b"1", b"2"), text)))


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARMS: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b" "),
    "a bit of the text": lambda path: flip(path, -5),
    "a bit of the seal": lambda path: flip(path, 10),
    "a bit of the key's name": lambda path: flip(path, 0),
    "another key": exchange_key,
    "another time": rejuvenate,
    "no seal": lambda path: path.write_bytes(path.read_bytes().split(b"\n", 1)[1]),
    "a plain key set": lambda path: path.write_bytes(GOOD),
    "readable by others": lambda path: path.chmod(0o640),
    "writable by others": lambda path: path.chmod(0o602),
    "a link": link,
    "a pipe": pipe,
    "a folder": folder,
}


@pytest.mark.parametrize("harm", HARMS)
async def test_a_file_that_is_not_believed(tmp_path: Path, path: Path, clock: HandClock, harm: str) -> None:
    assert await process(tmp_path, clock, Endpoint()).load()
    HARMS[harm](path)
    assert await kept_in(tmp_path).load() is None
    fresh = process(tmp_path, clock, Endpoint(away=True))
    assert not await fresh.restore()
    with pytest.raises(Unavailable):
        await fresh.find("k1")


@pytest.mark.parametrize("place", range(3))
async def test_it_is_bound_to_issuer_address_and_algorithms(tmp_path: Path, place: int) -> None:
    await kept_in(tmp_path).save(KeptText(GOOD, 1.0))
    other = tuple("other" if number == place else text for number, text in enumerate(BOUND))
    assert await kept_in(tmp_path, bound_to=other).load() is None
    assert await kept_in(tmp_path).load() == KeptText(GOOD, 1.0)


async def test_the_key_that_seals_it_can_rotate(tmp_path: Path) -> None:
    secrets = Secrets()
    await kept_in(tmp_path, secrets).save(KeptText(GOOD, 1.0))
    secrets.kept.insert(0, VersionedSecret("a2", b"2" * 32))
    assert await kept_in(tmp_path, secrets).load()
    secrets.kept.pop()
    assert await kept_in(tmp_path, secrets).load() is None


async def test_a_folder_that_is_lost_costs_nothing_but_the_next_restart(tmp_path: Path, clock: HandClock) -> None:
    gone = tmp_path / "gone"
    cache = process(gone, clock, Endpoint())
    assert await cache.find("k1")
    assert not gone.exists()


def test_a_folder_others_can_write_to_is_refused(tmp_path: Path) -> None:
    assert usable(tmp_path / "new" / "deep")
    assert (tmp_path / "new" / "deep").stat().st_mode & 0o777 == 0o700
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert not usable(shared)
    (tmp_path / "file").write_text("")
    assert not usable(tmp_path / "file")
    assert not usable(tmp_path / "file" / "below")
