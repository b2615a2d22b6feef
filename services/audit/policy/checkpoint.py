"""Checkpoints: where a chain ended at a moment, in words that are signed. Each names the one before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TypeVar

from services.audit.policy.canonical import read, written

_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
_KEYS = {"at", "hash", "organisation", "previous", "sequence", "v"}
_MANIFEST_KEYS = {"at", "events", "first", "hash", "head", "last", "organisation", "v"}


class NotACheckpointError(ValueError):
    """Bytes that this module never made."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`previous` is the SHA-256 of the statement before, empty for the first."""

    organisation: str
    sequence: int
    hash: bytes
    at_us: int
    previous: bytes = b""

    def statement(self) -> bytes:
        """What is signed: the same bytes for the same checkpoint, always."""
        body = {
            "v": "1",
            "organisation": self.organisation,
            "sequence": str(self.sequence),
            "hash": self.hash.hex(),
            "at": written(self.at_us),
            "previous": self.previous.hex(),
        }
        return _write(body).encode()


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement with its signature, as kept, exported and anchored."""

    statement: bytes
    kid: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds, signed at its end, so that nothing can be cut off it. `head` is where the chain ended."""

    organisation: str
    first: int
    last: int
    hash: bytes
    head: int
    at_us: int

    def statement(self) -> bytes:
        """What is signed."""
        events = self.last - self.first + 1 if self.last else 0
        body = {
            "v": "1",
            "organisation": self.organisation,
            "first": str(self.first),
            "last": str(self.last),
            "events": str(events),
            "hash": self.hash.hex(),
            "head": str(self.head),
            "at": written(self.at_us),
        }
        return _write(body).encode()


_T = TypeVar("_T", Checkpoint, Manifest)


def digest(statement: bytes) -> bytes:
    """How the next checkpoint names this one."""
    return hashlib.sha256(statement).digest()


def parse(statement: bytes) -> Checkpoint:
    """The checkpoint of a statement. Raises NotACheckpointError."""
    body = _body(statement, _KEYS)
    try:
        found = Checkpoint(
            body["organisation"],
            int(body["sequence"]),
            bytes.fromhex(body["hash"]),
            read(body["at"]),
            bytes.fromhex(body["previous"]),
        )
    except (ValueError, TypeError, OverflowError):
        raise NotACheckpointError from None
    return _same(found, statement)


def parse_manifest(statement: bytes) -> Manifest:
    """The manifest of a statement. Raises NotACheckpointError."""
    body = _body(statement, _MANIFEST_KEYS)
    try:
        found = Manifest(
            body["organisation"],
            int(body["first"]),
            int(body["last"]),
            bytes.fromhex(body["hash"]),
            int(body["head"]),
            read(body["at"]),
        )
    except (ValueError, TypeError, OverflowError):
        raise NotACheckpointError from None
    return _same(found, statement)


def _body(statement: bytes, keys: set[str]) -> dict[str, str]:
    try:
        body = json.loads(statement)
    except (ValueError, RecursionError):
        raise NotACheckpointError from None
    if not isinstance(body, dict) or set(body) != keys or not all(isinstance(value, str) for value in body.values()):
        raise NotACheckpointError
    return body


def _same(found: _T, statement: bytes) -> _T:
    if found.statement() != statement:
        raise NotACheckpointError
    return found
