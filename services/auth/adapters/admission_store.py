"""Admissions in Redis: known by the digest of the handle, sealed, so that the store neither tells nor invents one."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.auth.policy import admissions
from services.auth.policy.admissions import Admission
from services.kit.keys import ADMISSION, Derived, KeyPort, VersionedSecret
from services.kit.redis import RedisStore
from services.kit.telemetry import span

_NONCE = 12


class RedisAdmissionStore:
    """`services.auth.ports.AdmissionStore` over the key port; raises KeyMissingError when made without a key."""

    def __init__(self, store: RedisStore, keys: KeyPort) -> None:
        self._store = store
        self._ciphers = Derived(keys, ADMISSION, _ciphers)

    async def put(self, digest: str, admission: Admission, seconds: float) -> None:
        """The digest is sealed in: a record moved to another handle does not open."""
        nonce = secrets.token_bytes(_NONCE)
        kid, cipher = next(iter(self._ciphers().items()))
        sealed = cipher.encrypt(nonce, admissions.to_bytes(admission), digest.encode())
        value = kid.encode() + b"." + nonce + sealed
        with span("redis auth admission put"), self._store.guard():
            await self._store.client.set(_key(digest), value, px=max(1, round(seconds * 1000)), nx=True)

    async def get(self, digest: str) -> Admission | None:
        """What does not open is not there."""
        with span("redis auth admission get"), self._store.guard():
            value = await self._store.client.get(_key(digest))
        if not isinstance(value, bytes):
            return None
        kid, _, rest = value.partition(b".")
        cipher = self._ciphers().get(kid.decode("ascii", "replace"))
        if cipher is None:
            return None
        try:
            return admissions.from_bytes(cipher.decrypt(rest[:_NONCE], rest[_NONCE:], digest.encode()))
        except (InvalidTag, ValueError):
            return None


def _ciphers(versions: Sequence[VersionedSecret]) -> dict[str, AESGCM]:
    """The active one first."""
    return {version.kid: AESGCM(_derive(version.value)) for version in versions}


def _derive(key: bytes) -> bytes:
    return hmac.new(key, b"hauberk admission v1", hashlib.sha256).digest()


def _key(digest: str) -> str:
    return f"hk:auth:adm:{digest}"
