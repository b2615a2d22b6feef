"""Sealing of values: keys by organisation, user and conversation, AES-256-GCM bound to the exact place of a value."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.kit.key_versions import KID, natural
from services.kit.keys import MAPPING_KEK, Derived, KeyPort, VersionedSecret
from services.redaction.policy.placeholders import Slot
from services.redaction.ports import Kept, MappingTampered, Scope

_LABEL = b"hauberk redaction mapping 1"
_TAG_LABEL = b"hauberk redaction tag 1"
_NONCE = 12
_INDEX = 16
_REMEMBERED = 4096


@dataclass(frozen=True)
class ConversationKeys:
    """Keys of one conversation under one version of the key-encryption key."""

    cipher: AESGCM = field(repr=False)
    index: bytes = field(repr=False)


class _Versions:
    """Keys of conversations by version; a withdrawn version takes them with it."""

    def __init__(self, versions: Sequence[VersionedSecret]) -> None:
        self.active = versions[0].kid
        # What knows a value again must not change while a conversation goes on: the oldest version has it until it is
        # withdrawn. (After that, a value that is said again gets a second number.)
        self.oldest = min((version.kid for version in versions), key=natural)
        self.kids = [version.kid for version in versions]
        self._secrets = {version.kid: version.value for version in versions}
        self._keys: OrderedDict[tuple[str, Scope], ConversationKeys] = OrderedDict()

    def of(self, kid: str, scope: Scope) -> ConversationKeys:
        """Raises KeyError for a version that is not there."""
        keys = self._keys.get((kid, scope))
        if keys is None:
            keys = self._keys[(kid, scope)] = _derive(self._secrets[kid], scope)
            if len(self._keys) > _REMEMBERED:
                self._keys.popitem(last=False)
        return keys


class Sealer:
    """Seals and opens values; what it returns tells nothing to whoever does not hold the key-encryption key.

    Over the key port; raises KeyMissingError when made without a key.
    """

    def __init__(self, keys: KeyPort) -> None:
        self._versions = Derived(keys, MAPPING_KEK, _Versions)

    def index(self, scope: Scope, workload: str, entity: str, value: str) -> bytes:
        """What tells equal values of a conversation from others, without telling the value."""
        message = "\0".join((entity, workload, value)).encode()
        versions = self._versions()
        return hmac.digest(versions.of(versions.oldest, scope).index, message, "sha256")[:_INDEX]

    def tag(self, scope: Scope, slot: Slot) -> str:
        """Forty bits over the place, under the conversation's key, in letters of a placeholder."""
        versions = self._versions()
        return _tag(versions.of(versions.oldest, scope).index, slot)

    def is_tagged(self, scope: Scope, slot: Slot) -> bool:
        """True when the tag is of this place under a version of the key that is still there."""
        versions = self._versions()
        tags = [_tag(versions.of(kid, scope).index, slot) for kid in versions.kids]
        return sum(hmac.compare_digest(tag, slot.tag) for tag in tags) > 0  # all are compared: no time to learn from

    def seal(self, scope: Scope, slot: Slot, kept: Kept) -> bytes:
        """The sealed record of one slot."""
        nonce = os.urandom(_NONCE)
        plain = f"{kept.redacted_by}\0{kept.text}".encode()
        versions = self._versions()
        sealed = versions.of(versions.active, scope).cipher.encrypt(nonce, plain, _bound_to(scope, slot))
        kid = versions.active.encode()
        return bytes((len(kid),)) + kid + nonce + sealed

    def open(self, scope: Scope, slot: Slot, record: bytes) -> Kept | None:
        """The value behind a record; None when its key was withdrawn, which leaves it as good as expired.

        Raises MappingTampered for a record of any other place, or altered.
        """
        try:
            size = record[0]
            kid = record[1 : 1 + size].decode("ascii")
            nonce, sealed = record[1 + size : 1 + size + _NONCE], record[1 + size + _NONCE :]
            keys = self._versions().of(kid, scope)
            plain = keys.cipher.decrypt(nonce, sealed, _bound_to(scope, slot))
        except KeyError:
            if KID.fullmatch(kid):
                return None
            raise MappingTampered from None
        except (InvalidTag, IndexError, ValueError):
            raise MappingTampered from None
        workload, _, value = plain.decode().partition("\0")
        return Kept(value, workload)


def digest_of(scope: Scope) -> str:
    """A name for the conversation in the store; the id itself may say something about a person."""
    return hashlib.sha256(_parts(*_owner(scope))).hexdigest()[:32]


def _derive(secret: bytes, scope: Scope) -> ConversationKeys:
    info = _LABEL + b"\0" + _parts(*_owner(scope))
    material = HKDF(algorithm=SHA256(), length=64, salt=None, info=info).derive(secret)
    return ConversationKeys(AESGCM(material[:32]), material[32:])


def _bound_to(scope: Scope, slot: Slot) -> bytes:
    return _LABEL + b"\0" + _parts(*_owner(scope), slot.entity, str(slot.number))


def _tag(key: bytes, slot: Slot) -> str:
    message = _TAG_LABEL + b"\0" + _parts(slot.entity, str(slot.number))
    return base64.b32encode(hmac.digest(key, message, "sha256")[:5]).decode()


def _owner(scope: Scope) -> tuple[str, str, str]:
    return scope.organisation, scope.subject, scope.conversation


def _parts(*parts: str) -> bytes:
    """Parts with their lengths, so that no two lists of parts read the same."""
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
