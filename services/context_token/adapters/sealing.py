"""Sealing of bodies: a key per organisation, AES-256-GCM bound to token, organisation, target brand and end of life."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.context_token.ports import Place, Sealed
from services.kit.keys import CTX_KEK, Derived, KeyPort, VersionedSecret

_LABEL = b"hauberk context body 1"
_NONCE = 12
_SALT = 32
_REMEMBERED = 1024


class KekSealer:
    """`services.context_token.ports.Sealer` over the key port; raises KeyMissingError when made without a key."""

    def __init__(self, keys: KeyPort) -> None:
        self._keys = Derived(keys, CTX_KEK, _Ciphers)

    def seal(self, place: Place, body: bytes) -> Sealed:
        """The digest goes into a token that its holder can read, so a salt keeps short bodies from being guessed."""
        ciphers = self._keys()
        salt, nonce, kid = os.urandom(_SALT), os.urandom(_NONCE), ciphers.active.encode()
        sealed = ciphers.of(ciphers.active, place.organisation).encrypt(nonce, salt + body, _bound_to(place))
        return Sealed(bytes((len(kid),)) + kid + nonce + sealed, _digest(salt + body))

    def open(self, place: Place, sealed: Sealed) -> bytes | None:
        """A record that opens may still be an older one of the same place: the digest decides."""
        record = sealed.record
        try:
            size = 1 + record[0]
            kid, nonce = record[1:size].decode("ascii"), record[size : size + _NONCE]
            cipher = self._keys().of(kid, place.organisation)
            plain = cipher.decrypt(nonce, record[size + _NONCE :], _bound_to(place))
        except (InvalidTag, KeyError, IndexError, ValueError):
            return None
        return plain[_SALT:] if hmac.compare_digest(_digest(plain), sealed.digest) else None


class _Ciphers:
    """Ciphers by version and organisation; a withdrawn version takes them with it."""

    def __init__(self, versions: Sequence[VersionedSecret]) -> None:
        self.active = versions[0].kid
        self._secrets = {version.kid: version.value for version in versions}
        self._ciphers: OrderedDict[tuple[str, str], AESGCM] = OrderedDict()

    def of(self, kid: str, organisation: str) -> AESGCM:
        """Raises KeyError for a version that is not there."""
        cipher = self._ciphers.get((kid, organisation))
        if cipher is None:
            info = _LABEL + _parts(organisation)
            key = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._secrets[kid])
            cipher = self._ciphers[kid, organisation] = AESGCM(key)
            if len(self._ciphers) > _REMEMBERED:
                self._ciphers.popitem(last=False)
        return cipher


def _digest(plain: bytes) -> str:
    return hashlib.sha256(plain).hexdigest()


def _bound_to(place: Place) -> bytes:
    return _LABEL + _parts(place.token_id, place.organisation, place.brand, str(place.expires_at))


def _parts(*parts: str) -> bytes:
    """Parts with their lengths, so that no two lists of parts read the same."""
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
