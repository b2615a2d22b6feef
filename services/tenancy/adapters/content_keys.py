"""Content at rest: AES-256-GCM with a key of the organisation, which is stored wrapped with a key of the key port.

Whoever has the database without the key port reads no text. A text opens at its own place only: another organisation's,
another document's or another chunk's does not. Deleting an organisation's keys makes its texts unreadable for ever.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Collection

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.kit.caller import Caller
from services.kit.errors import Unavailable
from services.kit.keys import CONTENT_KEK, KeyPort
from services.kit.postgres import Connection

_LABEL = b"hauberk content 1"
_NONCE = 12
_REMEMBERED = 1024
_NEWEST = """
SELECT key_id, kek_kid, wrapped FROM tenancy.content_keys WHERE org_id = %s ORDER BY key_id DESC LIMIT 1
"""
_NAMED = "SELECT key_id, kek_kid, wrapped FROM tenancy.content_keys WHERE org_id = %s AND key_id = ANY (%s)"
_FIRST = """
INSERT INTO tenancy.content_keys (org_id, key_id, kek_kid, wrapped) VALUES (%s, 1, %s, %s) ON CONFLICT DO NOTHING
"""
_REWRAP = "UPDATE tenancy.content_keys SET kek_kid = %s, wrapped = %s WHERE org_id = %s AND key_id = %s"


class Content:
    """Seals and opens texts of one organisation with one key."""

    def __init__(self, organisation: str, key_id: int, key: bytes) -> None:
        self.key_id = key_id
        self._organisation = organisation
        self._cipher = AESGCM(key)

    def seal(self, text: str, *place: str) -> bytes:
        """Bound to its place."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), _bound_to(self._organisation, *place))

    def open(self, sealed: bytes, *place: str) -> str | None:
        """None for what was altered, or moved from another place."""
        try:
            bound = _bound_to(self._organisation, *place)
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound).decode()
        except (InvalidTag, ValueError):
            return None


class ContentKeys:
    """The keys of organisations. Raises KeyMissingError when the key port has no key for them."""

    def __init__(self, keys: KeyPort) -> None:
        keys.versions(CONTENT_KEK)  # a missing one is a start-up error
        self._keys = keys
        self._known: OrderedDict[tuple[str, int], Content] = OrderedDict()

    async def to_seal(self, connection: Connection, caller: Caller) -> Content:
        """The organisation's newest key, made when it has none; wrapped anew when the key port has a newer one."""
        org = caller.organisation
        row = await (await connection.execute(_NEWEST, [org])).fetchone()
        if row is None:
            kid, wrapped = self._wrap(org, 1, os.urandom(32))
            await connection.execute(_FIRST, [org, kid, wrapped])
            row = await (await connection.execute(_NEWEST, [org])).fetchone()
            if row is None:
                raise Unavailable("postgres")
        key_id, kid, wrapped = row
        if kid != self._keys.versions(CONTENT_KEK)[0].kid:
            anew = self._wrap(org, key_id, self._unwrap(org, key_id, kid, wrapped))
            await connection.execute(_REWRAP, [*anew, org, key_id])
        return self._content(org, key_id, kid, wrapped)

    async def to_open(self, connection: Connection, caller: Caller, key_ids: Collection[int]) -> dict[int, Content]:
        """The named keys; those that are remembered cost no reading."""
        org = caller.organisation
        found = {number: self._known[org, number] for number in set(key_ids) if (org, number) in self._known}
        missing = sorted(set(key_ids) - found.keys())
        if missing:
            rows = await connection.execute(_NAMED, [org, missing])
            found |= {row[0]: self._content(org, *row) async for row in rows}
        return found

    def _content(self, org: str, key_id: int, kid: str, wrapped: bytes) -> Content:
        known = self._known.get((org, key_id))
        if known is None:
            known = self._known[org, key_id] = Content(org, key_id, self._unwrap(org, key_id, kid, wrapped))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _wrap(self, org: str, key_id: int, key: bytes) -> tuple[str, bytes]:
        active = self._keys.versions(CONTENT_KEK)[0]
        nonce = os.urandom(_NONCE)
        return active.kid, nonce + _kek(active.value).encrypt(nonce, key, _bound_to(org, "key", str(key_id)))

    def _unwrap(self, org: str, key_id: int, kid: str, wrapped: bytes) -> bytes:
        for version in self._keys.versions(CONTENT_KEK):
            if version.kid == kid:
                try:
                    bound = _bound_to(org, "key", str(key_id))
                    return _kek(version.value).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], bound)
                except InvalidTag:
                    break
        raise Unavailable("content-key")


def _kek(secret: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_LABEL).derive(secret))


def _bound_to(*parts: str) -> bytes:
    """Parts with their lengths, so that no two lists of parts read the same."""
    return _LABEL + b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
