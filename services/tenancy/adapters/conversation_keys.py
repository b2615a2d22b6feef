"""Keys of conversations: random, one for each, wrapped under a key that is derived for the organisation."""

from __future__ import annotations

from services.kit.key_kinds import CONTENT_KEK
from services.kit.keys import KeyPort
from services.kit.sealing import KEY_BYTES, Box, Seal, SealBrokenError, derive, new_key, parts
from services.tenancy.policy.conversations import Chain, Place

_LABEL = b"hauberk conversation keys 1"


class ConversationKeys:
    """Implements `ports.conversations.Keys`: one key for what is said, another for the chain."""

    def __init__(self, secret: bytes, place: Place) -> None:
        material = derive(secret, _LABEL, 2 * KEY_BYTES)
        self._box = Box(material[:KEY_BYTES])
        self.chain = Chain(material[KEY_BYTES:], place)

    def seal(self, text: str, bound: bytes) -> bytes:
        """See the port."""
        return self._box.seal(text.encode(), bound)

    def unseal(self, sealed: bytes, bound: bytes) -> str | None:
        """See the port."""
        try:
            return self._box.open(sealed, bound).decode()
        except (SealBrokenError, ValueError):
            return None


class ConversationKeyMaker:
    """Implements `ports.conversations.KeyMaker` over the key port; raises KeyMissingError when made without a key."""

    def __init__(self, keys: KeyPort) -> None:
        # Bound to what `Place.encoded` is, and derived as it was when the first of them were stored.
        label = parts("hauberk conversation 1")
        self._seal = Seal(keys, CONTENT_KEK, label, lambda owner: _LABEL + b" wrapping " + owner.encode())

    def make(self, place: Place) -> tuple[bytes, ConversationKeys]:
        """See the port."""
        secret = new_key()
        return self._wrap(place, secret), ConversationKeys(secret, place)

    def open(self, place: Place, wrapped: bytes) -> ConversationKeys | None:
        """See the port."""
        try:
            return ConversationKeys(self._unwrap(place, wrapped), place)
        except SealBrokenError:
            return None

    def renewed(self, place: Place, wrapped: bytes) -> bytes:
        """See the port."""
        try:
            return wrapped if self._seal.is_current(wrapped) else self._wrap(place, self._unwrap(place, wrapped))
        except SealBrokenError:
            return wrapped

    def _wrap(self, place: Place, secret: bytes) -> bytes:
        return self._seal.seal(place.organisation, secret, place.brand, place.user, place.conversation)

    def _unwrap(self, place: Place, wrapped: bytes) -> bytes:
        return self._seal.open(place.organisation, wrapped, place.brand, place.user, place.conversation)
