"""API keys: their shape, and whether a kept key may be used now.

A key is `<prefix>_<environment>_<43 base62><6 base62 CRC32>`. The checksum proves nothing about the holder: it lets a
typing error, a scanner's false hit or noise be refused without asking a store.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from services.auth.policy.causes import Cause

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_BYTES = 32
BODY_LENGTH = 43  # 62 ** 43 > 2 ** 256
CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
ID_LENGTH = 22
ID_BYTES = 16
ENVIRONMENTS = ("live", "test")

_TAIL = re.compile(rf"[0-9A-Za-z]{{{BODY_LENGTH + CHECKSUM_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of a key (times are unix seconds). `epoch` counts revocations of this key."""

    key_id: str
    organisation: str
    subject: str
    brand: str
    scopes: frozenset[str]
    last_four: str
    created_at: float
    display_name: str = ""
    expires_at: float | None = None
    revoked_at: float | None = None
    rotated_to: str = ""
    grace_until: float | None = None
    epoch: int = 0


def base62(number: int, length: int) -> str:
    """A number in base 62, padded with zeros to exactly `length` characters."""
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


def compose(prefix: str, environment: str, secret: bytes) -> str:
    """The key made of 32 random bytes."""
    if len(secret) != SECRET_BYTES:
        raise ValueError("a key is made of 32 random bytes")
    stem = f"{prefix}_{environment}_{base62(int.from_bytes(secret, 'big'), BODY_LENGTH)}"
    return stem + _checksum(stem)


def key_id(random: bytes) -> str:
    """The public id of a key: what logs and audit know it by."""
    return "key_" + base62(int.from_bytes(random[:ID_BYTES], "big"), ID_LENGTH)


def inspect(text: str, prefix: str, environment: str) -> Cause:
    """NONE when the text has the shape of a key of this deployment; costs no lookup."""
    stem = f"{prefix}_{environment}_"
    if not text.startswith(stem):
        other = any(text.startswith(f"{prefix}_{name}_") for name in ENVIRONMENTS)
        return Cause.KEY_WRONG_ENVIRONMENT if other else Cause.KEY_MALFORMED
    if not _TAIL.fullmatch(text, len(stem)):
        return Cause.KEY_MALFORMED
    # Not compared in constant time: it is a function of the text before it, nobody's secret.
    if _checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return Cause.KEY_CHECKSUM
    return Cause.NONE


def decide(record: KeyRecord | None, now: float) -> Cause:
    """Whether the key found (or not) by its digest may be used at `now`."""
    if record is None:
        return Cause.KEY_UNKNOWN
    if record.revoked_at is not None:
        return Cause.KEY_REVOKED
    if record.rotated_to and (record.grace_until is None or record.grace_until <= now):
        return Cause.KEY_GRACE_ENDED
    if record.expires_at is not None and record.expires_at <= now:
        return Cause.KEY_EXPIRED
    return Cause.NONE


def grace_end(record: KeyRecord, now: float, grace: float) -> float:
    """When a key that is replaced now stops being good: never beyond its own expiry."""
    end = now + grace
    return end if record.expires_at is None else min(end, record.expires_at)


def _checksum(stem: str) -> str:
    return base62(zlib.crc32(stem.encode("ascii")), CHECKSUM_LENGTH)
