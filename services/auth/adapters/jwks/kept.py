"""The last good key set of an issuer on disk, so that a restart does not depend on the issuer being there.

A file is believed only when it is ours alone (0600, our account, no link) and authenticated with a key of ours over the
issuer, its address and the time of the fetch: who can write to the folder can withhold a set, not invent one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.auth.adapters.jwks.parse import MAX_BYTES
from services.kit.keys import ADMISSION, KeyPort

_OVERHEAD = 8192
_PURPOSE = b"hauberk auth issuer key sets v1"
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class KeptText:
    """A key set as it was fetched, and when (unix seconds)."""

    text: bytes = field(repr=False)
    fetched_at: float


class KeptSet:
    """One issuer's file, bound to what must not change under it."""

    def __init__(self, folder: Path, name: str, bound_to: Sequence[str], keys: KeyPort) -> None:
        self._path = folder / f"{name}.jwks"
        self._bound_to = list(bound_to)
        self._keys = keys

    async def load(self) -> KeptText | None:
        """None when there is none, or none that can be believed."""
        return await asyncio.to_thread(self._load, dict(self._secrets()))

    async def save(self, kept: KeptText) -> None:
        """Replaces the file as a whole. Raises OSError."""
        await asyncio.to_thread(self._save, kept, *self._secrets()[0])

    def _secrets(self) -> list[tuple[str, bytes]]:
        """Every version, the active one first; derived, so that what they make is worth nothing for another purpose."""
        versions = self._keys.versions(ADMISSION)
        return [(key.kid, hmac.digest(key.value, _PURPOSE, hashlib.sha256)) for key in versions]

    def _load(self, secrets_by_kid: dict[str, bytes]) -> KeptText | None:
        try:
            handle = os.open(self._path, _FLAGS)
            with os.fdopen(handle, "rb") as file:
                status = os.fstat(file.fileno())
                private = stat.S_ISREG(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
                if not private or status.st_uid != os.geteuid():
                    return None
                data = file.read(MAX_BYTES + _OVERHEAD)
        except OSError:
            return None
        return self._opened(data, secrets_by_kid)

    def _opened(self, data: bytes, secrets_by_kid: dict[str, bytes]) -> KeptText | None:
        seal, _, body = data.partition(b"\n")
        kid, _, mac = seal.decode("ascii", "replace").partition(".")
        if kid not in secrets_by_kid:
            return None
        if not hmac.compare_digest(_mac(secrets_by_kid[kid], body).encode(), mac.encode()):
            return None
        head, _, text = body.partition(b"\n")
        bound_to, fetched_at = json.loads(head)
        if bound_to != self._bound_to:  # another issuer's, or this one's before its settings changed
            return None
        return KeptText(text, float(fetched_at))

    def _save(self, kept: KeptText, kid: str, secret: bytes) -> None:
        body = json.dumps([self._bound_to, kept.fetched_at]).encode() + b"\n" + kept.text
        fresh = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(f"{kid}.{_mac(secret, body)}\n".encode() + body)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise


def _mac(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def usable(folder: Path) -> bool:
    """Makes the folder where it is missing; whether only this account can write to it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return not stat.S_IMODE(folder.stat().st_mode) & 0o022 and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False
