"""API keys: their shape, and whether a kept key may be used now.

A key is `<prefix>_<environment>_<43 base62><6 base62 CRC32>`. The checksum proves nothing about the holder: it lets a
typing error, a scanner's false hit or noise be refused without asking a store. Keys that were imported from elsewhere
have any shape but this one; they are known by their SHA-256 alone.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from enum import Enum

from services.auth.policy.addresses import Network, allowed
from services.auth.policy.causes import Cause
from services.kit.caller import KeyLimit

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_BYTES = 32
BODY_LENGTH = 43  # 62 ** 43 > 2 ** 256
CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
ID_LENGTH = 22
ID_BYTES = 16
ENVIRONMENTS = ("live", "test")

HASH_BYTES = 32
# After a leak that the organisation answers by rotation: the time that its owner has.
LEAK_GRACE_SECONDS = 3600.0

_TAIL = re.compile(rf"[0-9A-Za-z]{{{BODY_LENGTH + CHECKSUM_LENGTH}}}")
# Printable ASCII without a blank. Less than 20 characters is a password, not a key.
_FOREIGN = re.compile(r"[!-~]{20,256}")


class OnLeak(Enum):
    """What a reported leak of a key does to it."""

    REVOKE = "revoke"
    ROTATE = "rotate"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of a key (times are unix seconds).

    `epoch` counts revocations of this key; `pepper` is the version that its digest was made with. `grace_until` alone,
    without `rotated_to`, is set by a leak: the key ends then, replaced or not.
    """

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
    not_before: float | None = None
    addresses: tuple[Network, ...] = ()
    limits: tuple[KeyLimit, ...] = ()
    leaked_at: float | None = None
    imported: bool = False
    pepper: str = ""


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


def foreign(text: str, prefix: str) -> bool:
    """Whether a text may be a key of somebody else's making: nothing that looks like ours ever is."""
    return not text.startswith(f"{prefix}_") and _FOREIGN.fullmatch(text) is not None


def hashed(text: str) -> str:
    """What the pepper is applied to for a foreign key, see `imported_form`."""
    return imported_form(hashlib.sha256(text.encode("utf-8", "replace")).digest())


def imported_form(sha256: bytes) -> str:
    """An imported hash as the pepper takes it. It is no text that a key can have, so that neither an imported hash can
    stand for a key of ours, nor the hash, presented, for the key."""
    return "sha256:" + sha256.hex()


def decide(record: KeyRecord | None, now: float) -> Cause:
    """Whether the key found (or not) by its digest may be used at `now`."""
    if record is None:
        return Cause.KEY_UNKNOWN
    if record.revoked_at is not None:
        return Cause.KEY_REVOKED
    ended = bool(record.rotated_to) if record.grace_until is None else record.grace_until <= now
    if ended:
        return Cause.KEY_GRACE_ENDED
    if record.expires_at is not None and record.expires_at <= now:
        return Cause.KEY_EXPIRED
    if record.not_before is not None and now < record.not_before:
        return Cause.KEY_NOT_YET_VALID
    return Cause.NONE


def decide_place(record: KeyRecord, address: str, brand: str) -> Cause:
    """Whether a good key may be used from here, for this brand (empty: its own)."""
    if not allowed(record.addresses, address):
        return Cause.KEY_ADDRESS
    if record.brand and brand and record.brand != brand:
        return Cause.KEY_WRONG_BRAND
    return Cause.NONE


def grace_end(record: KeyRecord, now: float, grace: float) -> float:
    """When a key that is replaced now stops being good: never later than it would have anyway."""
    ends = [end for end in (record.expires_at, record.grace_until) if end is not None]
    return min([now + grace, *ends])


def _checksum(stem: str) -> str:
    return base62(zlib.crc32(stem.encode("ascii")), CHECKSUM_LENGTH)
