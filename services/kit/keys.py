"""The key port: signing keys, pepper, key-encryption keys; versioned, one name one purpose.

Files are `<folder>/<name>.<kid>.key` with mode 0600. A running process sees new and withdrawn versions within
`POLL_SECONDS`; which one is active follows from their names alone (`services.kit.key_versions`).
A variable `HAUBERK_KEY_<NAME>=<kid>:<base64>` serves where files cannot; it is read once. A missing or unusable key
is a start-up error; in a running process an unusable file is ignored, loudly, and what was good stays in use.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from services.kit.key_kinds import (
    ADMISSION,
    API_KEY_PEPPER,
    CANARY,
    CONTENT_KEK,
    CTX_KEK,
    CTX_SIGNING,
    MAPPING_KEK,
    ORG_MAC,
    TXN_SIGNING,
    check,
)
from services.kit.key_versions import KID, KeyMissingError, VersionedSecret, begins_at, next_change, ordered
from services.kit.logs import logger
from services.kit.settings import KEY_VARIABLES

__all__ = [
    "ADMISSION",
    "API_KEY_PEPPER",
    "CANARY",
    "CONTENT_KEK",
    "CTX_KEK",
    "CTX_SIGNING",
    "MAPPING_KEK",
    "ORG_MAC",
    "TXN_SIGNING",
    "Derived",
    "KeyMissingError",
    "KeyPort",
    "KeyRing",
    "VersionedSecret",
    "key_file",
    "write_private",
]

POLL_SECONDS = 1.0
_FILE = re.compile(rf"(?P<name>[a-z][a-z-]*)\.(?P<kid>{KID.pattern})\.key")
_Signature = tuple[int, int, int, int]
T = TypeVar("T")


class KeyPort(Protocol):
    """Where keys come from. Raises KeyMissingError; never returns an empty list."""

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        """Every version, the active one first. The same object as long as nothing changed."""
        ...


class Derived(Generic[T]):
    """What a user of a key makes of its versions, made anew when they change. Raises KeyMissingError when made."""

    def __init__(self, keys: KeyPort, name: str, make: Callable[[Sequence[VersionedSecret]], T]) -> None:
        self._keys, self._name, self._make = keys, name, make
        self._seen = keys.versions(name)
        self._value = make(self._seen)

    def __call__(self) -> T:
        """The current one; the last good one when new versions are of no use."""
        versions = self._keys.versions(self._name)
        if versions is not self._seen:
            if list(versions) != list(self._seen):
                try:
                    self._value = self._make(versions)
                except ValueError:
                    logger().critical("key.refused", key=self._name, problem="malformed")
            self._seen = versions
        return self._value


@dataclass
class _Held:
    """What is known of one name: values and marks of files by kid, and the answer that is given out."""

    fixed: dict[str, VersionedSecret] = field(default_factory=dict)
    good: dict[str, VersionedSecret] = field(default_factory=dict)
    marks: dict[str, _Signature] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    shown: tuple[VersionedSecret, ...] = ()
    look_at: float = 0.0
    change_at: float = float("inf")


class KeyRing:
    """Keys from files, with variables beside them."""

    def __init__(
        self,
        folder: Path | None,
        environ: Mapping[str, str] | None = None,
        *,
        now: Callable[[], float] = time.time,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._environ = os.environ if environ is None else environ
        self._now, self._tick = now, tick
        self._held: dict[str, _Held] = {}

    def secret(self, name: str) -> VersionedSecret:
        """The active version."""
        return self.versions(name)[0]

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        """Every version, the active one first; raises KeyMissingError when there is none, or a bad one, at first."""
        held = self._held.get(name)
        if held is None:
            held = self._first(name)
        elif self._tick() >= held.look_at:
            self._look(name, held)
        return held.shown

    def _first(self, name: str) -> _Held:
        held = _Held({version.kid: version for version in self._from_environment(name)})
        try:
            found = self._files(name)
        except OSError:
            raise KeyMissingError(f"key {name}: the key folder cannot be read") from None
        for kid, (path, mark) in found.items():
            held.good[kid], held.marks[kid] = _read(name, kid, path), mark
        if not held.good and not held.fixed:
            raise KeyMissingError(
                f"key {name}: no {name}.<kid>.key file and no {_variable(name)}; see `hauberk prepare`"
            )
        self._show(held)
        self._held[name] = held
        return held

    def _look(self, name: str, held: _Held) -> None:
        """Takes what changed. A file that is no good leaves what is in use; one that is gone was withdrawn."""
        held.look_at = self._tick() + POLL_SECONDS
        try:
            found = self._files(name)
        except OSError:
            found = {}
        if not found and held.good and not held.fixed:  # a folder that went away withdraws nothing
            _tell(held, name, "", "no_file_left")
            found = {kid: (Path(), held.marks[kid]) for kid in held.good}
        before = set(held.good.items())
        for kid in held.good.keys() - found.keys():
            del held.good[kid], held.marks[kid]
        for kid, (path, mark) in found.items():
            if held.marks.get(kid) == mark:
                continue
            try:
                held.good[kid], held.marks[kid] = _read(name, kid, path), mark
                held.told.discard(kid)
            except KeyMissingError:
                _tell(held, name, kid, "unusable_file")
        if set(held.good.items()) != before or self._now() >= held.change_at:
            self._show(held)
            logger().warning(
                "key.versions_changed", key=name, active=_short(held.shown[0].kid), versions=len(held.shown)
            )

    def _show(self, held: _Held) -> None:
        now = self._now()
        held.shown = ordered({**held.fixed, **held.good}.values(), now)
        held.change_at = next_change(held.shown, now)
        held.look_at = self._tick() + POLL_SECONDS

    def _files(self, name: str) -> dict[str, tuple[Path, _Signature]]:
        if self._folder is None or not self._folder.is_dir():
            return {}
        found = {}
        for entry in os.scandir(self._folder):
            match = _FILE.fullmatch(entry.name)
            if match and match["name"] == name:
                info = entry.stat()
                found[match["kid"]] = (
                    Path(entry.path),
                    (info.st_ino, info.st_mtime_ns, info.st_size, info.st_mode),
                )
        return found

    def _from_environment(self, name: str) -> list[VersionedSecret]:
        text = self._environ.get(_variable(name), "")
        if not text:
            return []
        kid, _, encoded = text.partition(":")
        try:
            value = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            value = b""
        if not KID.fullmatch(kid) or not value:
            raise KeyMissingError(f"key {name}: {_variable(name)} is not <kid>:<base64>")
        begins_at(kid)
        check(name, value, _variable(name))
        return [VersionedSecret(kid, value)]


def key_file(path: Path) -> tuple[str, str] | None:
    """Name and kid of a key file; None for any other file."""
    match = _FILE.fullmatch(path.name)
    return (match["name"], match["kid"]) if match else None


def _tell(held: _Held, name: str, kid: str, problem: str) -> None:
    """Once for each file, until it is good."""
    if kid not in held.told:
        held.told.add(kid)
        logger().critical("key.refused", key=name, version=_short(kid), problem=problem)


def _short(kid: str) -> str:
    """Its number: a log line lets no long run of digits through."""
    return "v" + kid.partition("-")[0]


def _variable(name: str) -> str:
    return KEY_VARIABLES + name.upper().replace("-", "_")


def _read(name: str, kid: str, path: Path) -> VersionedSecret:
    begins_at(kid)
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyMissingError(f"key file {path.name} is readable by others: chmod 600")
        value = path.read_bytes()
    except OSError:
        raise KeyMissingError(f"key file {path.name} cannot be read") from None
    if not value:
        raise KeyMissingError(f"key file {path.name} is empty")
    check(name, value, f"key file {path.name}")
    return VersionedSecret(kid, value)


def write_private(path: Path, value: bytes) -> None:
    """Writes a new file that only its owner can read, all of it at once; an existing one is never overwritten."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, path)  # unlike a rename, refuses to replace
    finally:
        unfinished.unlink()
