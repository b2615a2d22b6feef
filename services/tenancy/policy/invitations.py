"""Invitations and settings of an organisation: what they are, and the form of a secret. No I/O, no clock, no chance."""

from __future__ import annotations

import hashlib
import re
import string
import zlib
from dataclasses import dataclass
from enum import Enum

from services.tenancy.policy.model import OWNER_ROLE

PREFIX = "hbi_"
SECRET_BYTES = 32
LEAST_SECONDS, MOST_SECONDS = 3600, 30 * 86_400
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY, _CHECK, _ID = 43, 6, 22
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_BODY + _CHECK}}}")


class State(Enum):
    """What has become of an invitation."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    EXPIRED = "expired"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What its holder will be. An empty `user` is whoever holds the secret; `all_brands` is said outright."""

    invitation: str
    user: str
    roles: tuple[str, ...]
    brands: frozenset[str]
    all_brands: bool
    display_name: str = ""
    invited_by: str = ""
    state: State = State.PENDING
    created_at: float = 0.0
    expires_at: float = 0.0
    accepted_by: str = ""
    changed_at: float = 0.0
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an organisation sets for itself; `plan` is shown only."""

    display_name: str
    plan: str
    default_zone: str
    invitation_roles: tuple[str, ...]
    invitation_seconds: int
    created_at: float = 0.0
    changed_at: float = 0.0
    etag: str = ""


def may_invite(roles: tuple[str, ...], *, manages_members: bool, manages_owners: bool) -> bool:
    """Nobody invites to more than they could make somebody directly."""
    return manages_members and (manages_owners or OWNER_ROLE not in roles)


def compose(random: bytes) -> str:
    """The secret made of 32 random bytes; the checksum tells a mistyped one from a wrong one without a lookup."""
    if len(random) != SECRET_BYTES:
        raise ValueError("a secret is made of 32 random bytes")
    stem = PREFIX + _base62(int.from_bytes(random, "big"), _BODY)
    return stem + _checksum(stem)


def public_id(random: bytes) -> str:
    """The id of an invitation, which opens nothing."""
    return "inv_" + _base62(int.from_bytes(random[:16], "big"), _ID)


def digest_of(secret: str) -> bytes | None:
    """What is kept of a secret; None when the text cannot be one. 256 random bits need no salt and no slow hash."""
    if not _SHAPE.fullmatch(secret) or _checksum(secret[:-_CHECK]) != secret[-_CHECK:]:
        return None
    return hashlib.sha256(secret.encode("ascii")).digest()


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(stem: str) -> str:
    return _base62(zlib.crc32(stem.encode("ascii")), _CHECK)
