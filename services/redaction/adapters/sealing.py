"""Keys of conversations: random, one for each, wrapped for the organisation; and the tags of its placeholders.

Whatever is kept of a conversation is sealed or keyed with its own key, and that key is stored nowhere but wrapped,
beside what it seals. Once it is destroyed, a copy of the sealed values that does not hold it is noise, to this service
too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.kit.key_versions import KID, natural
from services.kit.keys import MAPPING_KEK, Derived, KeyPort, VersionedSecret
from services.kit.sealing import Box, Seal, SealBrokenError, derive, kid_of, new_key, parts
from services.redaction.policy.placeholders import Slot
from services.redaction.ports import Kept, MappingTampered, Scope

_LABEL = b"hauberk redaction mapping 2"
_TAG_LABEL = b"hauberk redaction tag 1"
_INDEX = 16
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class ConversationKey:
    """The key of one conversation as it is at hand in one call, and as it is stored."""

    scope: Scope
    wrapped: bytes = field(repr=False)
    _box: Box = field(repr=False)
    _index: bytes = field(repr=False)

    def index(self, workload: str, entity: str, value: str) -> bytes:
        """What tells equal values of the conversation from others, without telling the value."""
        return hmac.digest(self._index, "\0".join((entity, workload, value)).encode(), "sha256")[:_INDEX]

    def seal(self, slot: Slot, kept: Kept) -> bytes:
        """The sealed record of one slot."""
        return self._box.seal(f"{kept.redacted_by}\0{kept.text}".encode(), _bound_to(self.scope, slot))

    def open(self, slot: Slot, record: bytes) -> Kept:
        """The value behind a record; raises MappingTampered for a record of any other place or key, or altered."""
        try:
            plain = self._box.open(record, _bound_to(self.scope, slot))
        except SealBrokenError:
            raise MappingTampered from None
        workload, _, value = plain.decode().partition("\0")
        return Kept(value, workload)


class Sealer:
    """Makes, opens and renews keys of conversations; raises KeyMissingError when made without a key."""

    def __init__(self, keys: KeyPort) -> None:
        self._seal = Seal(keys, MAPPING_KEK, _LABEL)
        self._tags = Derived(keys, MAPPING_KEK, _TagKeys)

    def make(self, scope: Scope) -> ConversationKey:
        """A new key; until it is stored nobody else has it."""
        secret = new_key()
        return _key(scope, self._wrap(scope, secret), secret)

    def open(self, scope: Scope, wrapped: bytes) -> ConversationKey | None:
        """The stored key; None when the version that wrapped it was withdrawn, which leaves it as good as destroyed.

        Raises MappingTampered for a key of any other conversation, or altered.
        """
        if KID.fullmatch(kid_of(wrapped)) and not self._seal.knows(wrapped):
            return None
        return _key(scope, wrapped, self._unwrap(scope, wrapped))

    def renewed(self, scope: Scope, wrapped: bytes) -> bytes:
        """The same key, wrapped with the version of today."""
        return wrapped if self._seal.is_current(wrapped) else self._wrap(scope, self._unwrap(scope, wrapped))

    def tag(self, scope: Scope, slot: Slot) -> str:
        """Forty bits over the place, in letters of a placeholder."""
        return self._tags().tag(scope, slot)

    def is_tagged(self, scope: Scope, slot: Slot) -> bool:
        """True when the tag is of this place under a version of the key that is still there."""
        tags = self._tags().every_tag(scope, slot)
        return sum(hmac.compare_digest(tag, slot.tag) for tag in tags) > 0  # all are compared: no time to learn from

    def _wrap(self, scope: Scope, secret: bytes) -> bytes:
        return self._seal.seal(scope.organisation, secret, scope.subject, scope.conversation)

    def _unwrap(self, scope: Scope, wrapped: bytes) -> bytes:
        try:
            return self._seal.open(scope.organisation, wrapped, scope.subject, scope.conversation)
        except SealBrokenError:
            raise MappingTampered from None


class _TagKeys:
    """Keys of tags by version and conversation. They protect no value, so nothing is to be destroyed of them."""

    def __init__(self, versions: Sequence[VersionedSecret]) -> None:
        # A tag must not change while a conversation goes on: the oldest version makes it until it is withdrawn.
        self._kids = sorted((version.kid for version in versions), key=natural)
        self._secrets = {version.kid: version.value for version in versions}
        self._keys: OrderedDict[tuple[str, Scope], bytes] = OrderedDict()

    def tag(self, scope: Scope, slot: Slot) -> str:
        return self._tag(self._kids[0], scope, slot)

    def every_tag(self, scope: Scope, slot: Slot) -> list[str]:
        return [self._tag(kid, scope, slot) for kid in self._kids]

    def _tag(self, kid: str, scope: Scope, slot: Slot) -> str:
        key = self._keys.get((kid, scope))
        if key is None:
            key = self._keys[kid, scope] = derive(self._secrets[kid], _TAG_LABEL + parts(*_owner(scope)))
            if len(self._keys) > _REMEMBERED:
                self._keys.popitem(last=False)
        digest = hmac.digest(key, parts(slot.entity, str(slot.number)), "sha256")
        return base64.b32encode(digest[:5]).decode()


def digest_of(scope: Scope) -> str:
    """A name for the conversation in the store; the id itself may say something about a person."""
    return hashlib.sha256(parts(*_owner(scope))).hexdigest()[:32]


def _key(scope: Scope, wrapped: bytes, secret: bytes) -> ConversationKey:
    material = derive(secret, _LABEL + b" conversation", 64)
    return ConversationKey(scope, wrapped, Box(material[:32]), material[32:])


def _bound_to(scope: Scope, slot: Slot) -> bytes:
    return _LABEL + parts(*_owner(scope), slot.entity, str(slot.number))


def _owner(scope: Scope) -> tuple[str, str, str]:
    return scope.organisation, scope.subject, scope.conversation
