"""Sealing of challenge secrets: a key per organisation, bound to organisation, brand and provider."""

from __future__ import annotations

import base64
import hmac

from services.auth.ports.edge import Place
from services.kit.key_kinds import EDGE_KEK
from services.kit.keys import Derived, KeyPort
from services.kit.sealing import Seal, SealBrokenError, derive, parts

_LABEL = b"hauberk brand edge 1"


class KekSecretSealer:
    """`services.auth.ports.edge.SecretSealer` over the key port; raises KeyMissingError when made without a key."""

    def __init__(self, keys: KeyPort) -> None:
        self._seal = Seal(keys, EDGE_KEK, _LABEL, lambda organisation: _LABEL + b"\0seal" + parts(organisation))
        self._marking = Derived(keys, EDGE_KEK, lambda all_: [derive(one.value, _LABEL + b"\0mark") for one in all_])

    def seal(self, place: Place, secret: str) -> bytes:
        """With the active version."""
        return self._seal.seal(place.organisation, secret.encode(), place.brand, place.provider)

    def open(self, place: Place, record: bytes) -> str | None:
        """With the version that it names."""
        try:
            return self._seal.open(place.organisation, record, place.brand, place.provider).decode()
        except SealBrokenError:
            return None

    def marks(self, label: str, *values: str) -> tuple[str, ...]:
        """HMAC-SHA256, base64url without padding: 43 characters, which fits the widget's `cData`."""
        message = parts(label, *values)
        digests = (hmac.digest(key, message, "sha256") for key in self._marking())
        return tuple(base64.urlsafe_b64encode(digest).decode("ascii")[:43] for digest in digests)
