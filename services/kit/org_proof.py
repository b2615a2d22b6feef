"""The proof of an organisation that PostgreSQL checks itself: `<organisation>.<expiry>.<key id>.<mac>`.

A session variable is self-asserted; a MAC is not. Only auth (which mints) and the database (which checks, in
`hauberk.current_org()`) hold the key, so a compromised service reaches only organisations whose live proof it has.
"""

from __future__ import annotations

import hashlib
import hmac
import re

_BLOCK = 64  # SHA-256 works on blocks of 64 bytes; HMAC pads its key to one
_MIN_KEY = 32
_ORGANISATION = re.compile(r"[a-z][a-z0-9-]{1,62}")
_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PROOF = re.compile(rf"{_ORGANISATION.pattern}\.[1-9][0-9]{{0,10}}\.{_KID.pattern}\.[0-9a-f]{{64}}")


def mint(org: str, expires_at: float, kid: str, key: bytes) -> str:
    """The proof that the bearer acts in `org` until `expires_at` (unix seconds, rounded down)."""
    if not _ORGANISATION.fullmatch(org) or not _KID.fullmatch(kid):
        raise ValueError("organisation or key id is not well formed")
    _check(key)
    claim = f"{org}.{int(expires_at)}.{kid}"
    return f"{claim}.{hmac.new(key, claim.encode('ascii'), hashlib.sha256).hexdigest()}"


def pads(key: bytes) -> tuple[bytes, bytes]:
    """The inner and the outer pad of HMAC: what the database keeps instead of the key, having only a plain sha256."""
    _check(key)
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def well_formed(proof: str) -> bool:
    """Whether a text has the shape of a proof (not whether it is true)."""
    return _PROOF.fullmatch(proof) is not None


def valid_kid(kid: str) -> bool:
    """Whether a key id can stand in a proof."""
    return _KID.fullmatch(kid) is not None


def _check(key: bytes) -> None:
    if len(key) < _MIN_KEY:
        raise ValueError("the organisation key needs at least 32 bytes")
