"""Sealing: AES-256-GCM under keys of the key port, bound to an organisation, a purpose and a place.

One form for everything that is stored: one byte with the length of the key version's name, that name, a nonce, the
ciphertext with its tag. The first byte is also what tells forms apart: it is 1 to 32 here, so a later form begins with
a greater one. A record of any version that the key port still has opens; a withdrawn version takes its records with it.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.kit.keys import Derived, KeyPort, VersionedSecret

KEY_BYTES = 32
_NONCE = 12
_LONGEST_KID = 32
_REMEMBERED = 1024


class SealBrokenError(Exception):
    """What is stored does not open here: altered, moved, somebody else's, or under a key that is gone. Says no more."""


def parts(*values: str) -> bytes:
    """Values with their lengths, so that no two lists of values read the same."""
    return b"".join(len(value.encode()).to_bytes(4, "big") + value.encode() for value in values)


def derive(secret: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """A key for one purpose out of a secret (HKDF-SHA256)."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def new_key() -> bytes:
    """A random data key, to be wrapped with `Seal.seal`."""
    return os.urandom(KEY_BYTES)


class Box:
    """One data key. What it seals names no version: the record that wraps the key does."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        """A nonce of its own each time."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """Raises SealBrokenError unless it was sealed with this key and bound to the same."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except (InvalidTag, ValueError):
            raise SealBrokenError from None


class Seal:
    """Seals under a key of the key port, with a key of its own for each organisation.

    `label` names the purpose; a record of one purpose never opens for another. `info` says how an organisation's key
    is derived where that was settled before this module was; anything new leaves it out. Raises KeyMissingError when
    made without a key.
    """

    def __init__(self, keys: KeyPort, name: str, label: bytes, info: Callable[[str], bytes] | None = None) -> None:
        self._label = label
        own = info or (lambda organisation: label + b" key" + parts(organisation))
        self._versions = Derived(keys, name, lambda versions: _Versions(versions, own))

    @property
    def active(self) -> str:
        """The version that seals now."""
        return self._versions().active

    def seal(self, organisation: str, plain: bytes, *place: str) -> bytes:
        """A record that opens for this organisation and place only."""
        versions = self._versions()
        box = versions.box(versions.active, organisation)
        return put_together(versions.active, box.seal(plain, self._bound(organisation, place)))

    def open(self, organisation: str, record: bytes, *place: str) -> bytes:
        """Raises SealBrokenError."""
        kid, sealed = taken_apart(record)
        try:
            box = self._versions().box(kid, organisation)
        except KeyError:
            raise SealBrokenError from None
        return box.open(sealed, self._bound(organisation, place))

    def knows(self, record: bytes) -> bool:
        """True when the version that the record names is still there; says nothing about the record itself."""
        return kid_of(record) in self._versions()

    def is_current(self, record: bytes) -> bool:
        """True when the record names the version that seals now."""
        return kid_of(record) == self.active

    def _bound(self, organisation: str, place: Sequence[str]) -> bytes:
        return self._label + parts(organisation, *place)


def kid_of(record: bytes) -> str:
    """The version that a record names; empty when it is no record."""
    try:
        return taken_apart(record)[0]
    except SealBrokenError:
        return ""


class _Versions:
    """The keys of organisations by version; a withdrawn version takes them with it."""

    def __init__(self, versions: Sequence[VersionedSecret], info: Callable[[str], bytes]) -> None:
        self.active = versions[0].kid
        self._info = info
        self._secrets = {version.kid: version.value for version in versions}
        self._boxes: OrderedDict[tuple[str, str], Box] = OrderedDict()

    def __contains__(self, kid: str) -> bool:
        return kid in self._secrets

    def box(self, kid: str, organisation: str) -> Box:
        """Raises KeyError for a version that is not there."""
        box = self._boxes.get((kid, organisation))
        if box is None:
            box = self._boxes[kid, organisation] = Box(derive(self._secrets[kid], self._info(organisation)))
            if len(self._boxes) > _REMEMBERED:
                self._boxes.popitem(last=False)
        return box


def put_together(kid: str, sealed: bytes) -> bytes:
    """A record, of what stands in two columns."""
    return bytes((len(kid),)) + kid.encode() + sealed


def taken_apart(record: bytes) -> tuple[str, bytes]:
    """The version that a record names, and the rest. Raises SealBrokenError."""
    size = record[0] if record else 0
    if not 0 < size <= _LONGEST_KID or len(record) < 1 + size:
        raise SealBrokenError
    try:
        return record[1 : 1 + size].decode("ascii"), record[1 + size :]
    except UnicodeDecodeError:
        raise SealBrokenError from None
