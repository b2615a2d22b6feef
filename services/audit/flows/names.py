"""Whom an incident is about, sealed like a person in an event: erasing the person erases it here as well."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping

from services.audit.flows.vault import Vault
from services.audit.policy import Link, NotCanonicalError, Record, columns_of, decode, encode
from services.audit.policy.catalogue import CRITICAL, event_type
from services.audit.policy.personal import is_person, split
from services.audit.ports import KeyReader
from services.kit.errors import Unavailable
from services.kit.sealing import SealBrokenError

_KIND = event_type("audit.incident_opened", CRITICAL, ())  # not one fact of it is public


class Names:
    """Seals and opens."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def seal(self, organisation: str, user: str, facts: Mapping[str, str], now: float) -> str:
        """Under the user's key, or when nobody is known under that of the month. Raises Unavailable."""
        record = Record(
            event_id=f"{secrets.token_hex(8)}/audit/case/{secrets.token_hex(6)}",
            kind=CRITICAL,
            code=_KIND.code,
            at_us=int(now * 1_000_000),
            outcome="UNSPECIFIED",
            reason="UNSPECIFIED",
            organisation=organisation,
            actor=user if organisation and is_person(user) else "",
            facts=tuple(sorted(facts.items())),
        )
        parts = split(record, _KIND)
        try:
            kept, _ = self._vault.seal(parts, await self._vault.prepare([parts]))
        except SealBrokenError:
            raise Unavailable("audit") from None
        return base64.b64encode(encode(kept)).decode("ascii")

    async def open(self, reader: KeyReader, sealed: str) -> dict[str, str]:
        """What can still be read; empty when the person was erased."""
        try:
            canonical = base64.b64decode(sealed, validate=True)
            record = decode(canonical)
        except (binascii.Error, ValueError, NotCanonicalError):
            return {}
        (opened,) = await self._vault.open(reader, [Link(1, canonical, b"", b"", columns_of(record))])
        return dict(opened.record.facts) if opened.record and not opened.erased else {}
