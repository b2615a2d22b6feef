"""Sealing of bodies: a key per organisation, bound to token, organisation, target brand and end of life."""

from __future__ import annotations

import hashlib
import hmac
import os

from services.context_token.ports import Place, Sealed
from services.kit.keys import CTX_KEK, KeyPort
from services.kit.sealing import Seal, SealBrokenError

_LABEL = b"hauberk context body 2"
_SALT = 32


class KekSealer:
    """`services.context_token.ports.Sealer` over the key port; raises KeyMissingError when made without a key."""

    def __init__(self, keys: KeyPort) -> None:
        self._seal = Seal(keys, CTX_KEK, _LABEL)

    def seal(self, place: Place, body: bytes) -> Sealed:
        """The digest goes into a token that its holder can read, so a salt keeps short bodies from being guessed."""
        salted = os.urandom(_SALT) + body
        return Sealed(self._seal.seal(place.organisation, salted, *_rest(place)), _digest(salted))

    def open(self, place: Place, sealed: Sealed) -> bytes | None:
        """A record that opens may still be an older one of the same place: the digest decides."""
        try:
            plain = self._seal.open(place.organisation, sealed.record, *_rest(place))
        except SealBrokenError:
            return None
        return plain[_SALT:] if hmac.compare_digest(_digest(plain), sealed.digest) else None


def _digest(plain: bytes) -> str:
    return hashlib.sha256(plain).hexdigest()


def _rest(place: Place) -> tuple[str, str, str]:
    return place.token_id, place.brand, str(place.expires_at)
