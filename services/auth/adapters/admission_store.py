"""Admissions in Redis: known by the digest of the handle, sealed, so that the store neither tells nor invents one."""

from __future__ import annotations

from services.auth.policy import admissions
from services.auth.policy.admissions import Admission
from services.kit.keys import ADMISSION, KeyPort
from services.kit.redis import RedisStore
from services.kit.sealing import Seal, SealBrokenError
from services.kit.telemetry import span

# Who asks for an admission has proven nothing but the handle, so its digest alone is what a record is bound to.
_ANY = ""


class RedisAdmissionStore:
    """`services.auth.ports.AdmissionStore` over the key port; raises KeyMissingError when made without a key."""

    def __init__(self, store: RedisStore, keys: KeyPort) -> None:
        self._store = store
        self._seal = Seal(keys, ADMISSION, b"hauberk admission 2")

    async def put(self, digest: str, admission: Admission, seconds: float) -> None:
        """The digest is sealed in: a record moved to another handle does not open."""
        value = self._seal.seal(_ANY, admissions.to_bytes(admission), digest)
        with span("redis auth admission put"), self._store.guard():
            await self._store.client.set(_key(digest), value, px=max(1, round(seconds * 1000)), nx=True)

    async def get(self, digest: str) -> Admission | None:
        """What does not open is not there."""
        with span("redis auth admission get"), self._store.guard():
            value = await self._store.client.get(_key(digest))
        if not isinstance(value, bytes):
            return None
        try:
            return admissions.from_bytes(self._seal.open(_ANY, value, digest))
        except (SealBrokenError, ValueError):
            return None


def _key(digest: str) -> str:
    return f"hk:auth:adm:{digest}"
