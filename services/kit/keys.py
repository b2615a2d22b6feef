"""The key port: signing keys, pepper, key-encryption keys; versioned, one name one purpose.

Files are `<folder>/<name>.<kid>.key` with mode 0600; the active version is the greatest `kid` (digits count as
numbers), older ones still verify.
A variable `HAUBERK_KEY_<NAME>=<kid>:<base64>` serves where files cannot. A missing key is a start-up error.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from services.kit.settings import KEY_VARIABLES

TXN_SIGNING = "txn-signing"
ORG_MAC = "org-mac"
API_KEY_PEPPER = "api-key-pepper"
MAPPING_KEK = "mapping-kek"
ADMISSION = "admission"
CANARY = "canary"
CTX_SIGNING = "ctx-signing"
CTX_KEK = "ctx-kek"

_KID = re.compile(r"[a-z0-9-]{1,32}")
_FILE = re.compile(rf"(?P<name>[a-z][a-z-]*)\.(?P<kid>{_KID.pattern})\.key")


class KeyMissingError(ValueError):
    """A key is missing, unreadable or readable by others: the process does not start. Names the key, shows nothing."""


@dataclass(frozen=True, slots=True)
class VersionedSecret:
    """One version of a key; its bytes never print."""

    kid: str
    value: bytes = field(repr=False)


class KeyPort(Protocol):
    """Where keys come from. Raises KeyMissingError; never returns an empty list."""

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        """Every version, the active one first."""
        ...


class KeyRing:
    """Keys from files, with variables beside them."""

    def __init__(self, folder: Path | None, environ: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environ = os.environ if environ is None else environ

    def secret(self, name: str) -> VersionedSecret:
        """The active version."""
        return self.versions(name)[0]

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        """Every version, the active one first; raises KeyMissingError when there is none."""
        found = self._from_files(name) + self._from_environment(name)
        if not found:
            raise KeyMissingError(
                f"key {name}: no {name}.<kid>.key file and no {_variable(name)}; see `hauberk prepare`"
            )
        return sorted(found, key=lambda version: _natural(version.kid), reverse=True)

    def _from_files(self, name: str) -> list[VersionedSecret]:
        if self._folder is None or not self._folder.is_dir():
            return []
        found = []
        for path in sorted(self._folder.iterdir()):
            match = _FILE.fullmatch(path.name)
            if match and match["name"] == name:
                found.append(VersionedSecret(match["kid"], _read_private(path)))
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
        if not _KID.fullmatch(kid) or not value:
            raise KeyMissingError(f"key {name}: {_variable(name)} is not <kid>:<base64>")
        return [VersionedSecret(kid, value)]


def _natural(kid: str) -> list[str | int]:
    """Orders `k9` before `k10`: runs of digits count as numbers."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", kid)]


def _variable(name: str) -> str:
    return KEY_VARIABLES + name.upper().replace("-", "_")


def _read_private(path: Path) -> bytes:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyMissingError(f"key file {path.name} is readable by others: chmod 600")
        value = path.read_bytes()
    except OSError:
        raise KeyMissingError(f"key file {path.name} cannot be read") from None
    if not value:
        raise KeyMissingError(f"key file {path.name} is empty")
    return value


def write_private(path: Path, value: bytes) -> None:
    """Writes a new file that only its owner can read; an existing one is never overwritten."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(value)
