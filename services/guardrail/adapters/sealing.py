"""Arguments of calls that wait for approval: AES-256-GCM with a key derived from the guardrail's own."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.kit.caller import Caller
from services.kit.keys import CANARY, Derived, KeyPort, VersionedSecret

_LABEL = b"hauberk approval v1"
_NONCE = 12


class Seals:
    """Implements `ports.Sealer`."""

    def __init__(self, keys: KeyPort) -> None:
        self._ciphers = Derived(keys, CANARY, _made)

    def seal(self, caller: Caller, digest: str, text: str) -> bytes:
        """See the port."""
        nonce = os.urandom(_NONCE)
        return nonce + self._ciphers()[0].encrypt(nonce, text.encode(), _bound(caller, digest))

    def open(self, caller: Caller, digest: str, sealed: bytes) -> str:
        """See the port."""
        for cipher in self._ciphers():
            try:
                return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(caller, digest)).decode()
            except (InvalidTag, ValueError):
                continue
        return ""


def _made(versions: Sequence[VersionedSecret]) -> list[AESGCM]:
    """The active one first. The key's other use, canaries, tells nothing of these."""
    return [AESGCM(hmac.new(version.value, _LABEL, hashlib.sha256).digest()) for version in versions]


def _bound(caller: Caller, digest: str) -> bytes:
    return f"{caller.organisation}/{digest}".encode()
