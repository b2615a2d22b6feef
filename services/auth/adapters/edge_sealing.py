"""Sealing of challenge secrets: a key per organisation, AES-256-GCM bound to organisation, brand and provider."""

from __future__ import annotations

import base64
import hmac
import os
from collections import OrderedDict
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.auth.ports.edge import Place
from services.kit.key_kinds import EDGE_KEK
from services.kit.keys import Derived, KeyPort, VersionedSecret

_LABEL = b"hauberk brand edge 1"
_NONCE = 12
_REMEMBERED = 1024


class KekSecretSealer:
    """`services.auth.ports.edge.SecretSealer` over the key port; raises KeyMissingError when made without a key."""

    def __init__(self, keys: KeyPort) -> None:
        self._keys = Derived(keys, EDGE_KEK, _Versions)

    def seal(self, place: Place, secret: str) -> bytes:
        """With the active version."""
        versions = self._keys()
        nonce, kid = os.urandom(_NONCE), versions.active.encode()
        cipher = versions.cipher(versions.active, place.organisation)
        return bytes((len(kid),)) + kid + nonce + cipher.encrypt(nonce, secret.encode(), _bound_to(place))

    def open(self, place: Place, record: bytes) -> str | None:
        """With the version that it names."""
        try:
            size = 1 + record[0]
            kid, nonce = record[1:size].decode("ascii"), record[size : size + _NONCE]
            cipher = self._keys().cipher(kid, place.organisation)
            return cipher.decrypt(nonce, record[size + _NONCE :], _bound_to(place)).decode()
        except (InvalidTag, KeyError, IndexError, ValueError):
            return None

    def marks(self, label: str, *parts: str) -> tuple[str, ...]:
        """HMAC-SHA256, base64url without padding: 43 characters, which fits the widget's `cData`."""
        message = _parts(label, *parts)
        digests = (hmac.digest(key, message, "sha256") for key in self._keys().marking)
        return tuple(base64.urlsafe_b64encode(digest).decode("ascii")[:43] for digest in digests)


class _Versions:
    """What is made of the versions of the key; a withdrawn one takes its ciphers with it."""

    def __init__(self, versions: Sequence[VersionedSecret]) -> None:
        self.active = versions[0].kid
        self.marking = [_derive(version.value, b"mark") for version in versions]
        self._secrets = {version.kid: version.value for version in versions}
        self._ciphers: OrderedDict[tuple[str, str], AESGCM] = OrderedDict()

    def cipher(self, kid: str, organisation: str) -> AESGCM:
        """Raises KeyError for a version that is not there."""
        cipher = self._ciphers.get((kid, organisation))
        if cipher is None:
            cipher = AESGCM(_derive(self._secrets[kid], b"seal" + _parts(organisation)))
            self._ciphers[kid, organisation] = cipher
            if len(self._ciphers) > _REMEMBERED:
                self._ciphers.popitem(last=False)
        return cipher


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_LABEL + b"\0" + info).derive(secret)


def _bound_to(place: Place) -> bytes:
    return _LABEL + _parts(place.organisation, place.brand, place.provider)


def _parts(*parts: str) -> bytes:
    """Parts with their lengths, so that no two lists of parts read the same."""
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
