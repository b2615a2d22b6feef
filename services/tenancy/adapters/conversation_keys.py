"""Keys of conversations: random, one for each, wrapped under a key that is derived for the organisation."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.kit.key_kinds import CONTENT_KEK
from services.kit.keys import Derived, KeyPort, VersionedSecret
from services.tenancy.policy.conversations import Chain, Place

_LABEL = b"hauberk conversation keys 1"
_NONCE = 12
_KEY = 32


class ConversationKeys:
    """Implements `ports.conversations.Keys`: one key for what is said, another for the chain."""

    def __init__(self, secret: bytes, place: Place) -> None:
        material = HKDF(SHA256(), length=2 * _KEY, salt=None, info=_LABEL).derive(secret)
        self._cipher = AESGCM(material[:_KEY])
        self.chain = Chain(material[_KEY:], place)

    def seal(self, text: str, bound: bytes) -> bytes:
        """See the port."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), bound)

    def unseal(self, sealed: bytes, bound: bytes) -> str | None:
        """See the port."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound).decode()
        except (InvalidTag, ValueError):
            return None


class ConversationKeyMaker:
    """Implements `ports.conversations.KeyMaker` over the key port; raises KeyMissingError when made without a key."""

    def __init__(self, keys: KeyPort) -> None:
        self._versions: Derived[Sequence[VersionedSecret]] = Derived(keys, CONTENT_KEK, tuple)

    def make(self, place: Place) -> tuple[bytes, ConversationKeys]:
        """See the port."""
        secret = os.urandom(_KEY)
        return self._wrap(place, secret), ConversationKeys(secret, place)

    def open(self, place: Place, wrapped: bytes) -> ConversationKeys | None:
        """See the port."""
        secret = self._unwrap(place, wrapped)
        return None if secret is None else ConversationKeys(secret, place)

    def renewed(self, place: Place, wrapped: bytes) -> bytes:
        """See the port."""
        active = self._versions()[0].kid.encode()
        if wrapped[1 : 1 + wrapped[0]] == active:
            return wrapped
        secret = self._unwrap(place, wrapped)
        return wrapped if secret is None else self._wrap(place, secret)

    def _wrap(self, place: Place, secret: bytes) -> bytes:
        version = self._versions()[0]
        nonce, kid = os.urandom(_NONCE), version.kid.encode()
        wrapped = _wrapping(version, place).encrypt(nonce, secret, place.encoded())
        return bytes((len(kid),)) + kid + nonce + wrapped

    def _unwrap(self, place: Place, wrapped: bytes) -> bytes | None:
        size = wrapped[0] if wrapped else 0
        kid, rest = wrapped[1 : 1 + size], wrapped[1 + size :]
        version = next((known for known in self._versions() if known.kid.encode() == kid), None)
        if version is None:
            return None
        try:
            return _wrapping(version, place).decrypt(rest[:_NONCE], rest[_NONCE:], place.encoded())
        except (InvalidTag, ValueError):
            return None


def _wrapping(version: VersionedSecret, place: Place) -> AESGCM:
    info = _LABEL + b" wrapping " + place.organisation.encode()
    return AESGCM(HKDF(SHA256(), length=_KEY, salt=None, info=info).derive(version.value))
