"""Content at rest: AES-256-GCM with a key of the organisation, which is stored wrapped with a key of the key port.

Whoever has the database without the key port reads no text. A text opens at its own place only: another organisation's,
another document's or another chunk's does not. Deleting an organisation's keys makes its texts unreadable for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from services.kit.caller import Caller
from services.kit.errors import Unavailable
from services.kit.keys import CONTENT_KEK, KeyPort
from services.kit.postgres import Connection
from services.kit.sealing import Box, Seal, SealBrokenError, new_key, parts, put_together, taken_apart

_LABEL = b"hauberk content 1"
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
        self._box = Box(key)

    def seal(self, text: str, *place: str) -> bytes:
        """Bound to its place."""
        return self._box.seal(text.encode(), _LABEL + parts(self._organisation, *place))

    def open(self, sealed: bytes, *place: str) -> str | None:
        """None for what was altered, or moved from another place."""
        try:
            return self._box.open(sealed, _LABEL + parts(self._organisation, *place)).decode()
        except (SealBrokenError, ValueError):
            return None


class ContentKeys:
    """The keys of organisations. Raises KeyMissingError when the key port has no key for them."""

    def __init__(self, keys: KeyPort) -> None:
        # One key of the port for all organisations, as when the first records were stored: the place tells them apart.
        self._seal = Seal(keys, CONTENT_KEK, _LABEL, lambda _: _LABEL)
        self._known: OrderedDict[tuple[str, int], Content] = OrderedDict()

    async def to_seal(self, connection: Connection, caller: Caller) -> Content:
        """The organisation's newest key, made when it has none; wrapped anew when the key port has a newer one."""
        org = caller.organisation
        row = await (await connection.execute(_NEWEST, [org])).fetchone()
        if row is None:
            kid, wrapped = self._wrap(org, 1, new_key())
            await connection.execute(_FIRST, [org, kid, wrapped])
            row = await (await connection.execute(_NEWEST, [org])).fetchone()
            if row is None:
                raise Unavailable("postgres")
        key_id, kid, wrapped = row
        if kid != self._seal.active:
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
        return taken_apart(self._seal.seal(org, key, "key", str(key_id)))

    def _unwrap(self, org: str, key_id: int, kid: str, wrapped: bytes) -> bytes:
        try:
            return self._seal.open(org, put_together(kid, wrapped), "key", str(key_id))
        except SealBrokenError:
            raise Unavailable("content-key") from None
