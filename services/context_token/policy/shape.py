"""What is checked of a context token before any cryptography: cheap, and independent of the library that verifies it.

There is exactly one spelling of a token: three canonical base64url parts, a header of three names, nothing twice.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.context_token.policy.causes import Cause

TYP = "ctx+jwt"
ALGORITHM = "RS256"
MAX_LENGTH = 8192
MAX_BRACKETS = 32  # the claims have two objects; a deeper payload is not ours

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_KID = re.compile(r"ctx-[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token whose shape is in order; nothing in it is proven yet."""

    kid: str
    claims: Mapping[str, Any]


def inspect(token: str) -> Candidate | Cause:
    """The key that the token must be verified with and its claims, or why it need not be."""
    if len(token) > MAX_LENGTH:
        return Cause.OVERSIZE
    match = _COMPACT.fullmatch(token)
    if match is None:
        return Cause.MALFORMED
    header, claims = _object(match[1]), _object(match[2])
    if header is None or claims is None or _decode(match[3]) is None:
        return Cause.MALFORMED
    # Any other name would bring a key of its own, or change how the rest must be read.
    if header.keys() != {"typ", "alg", "kid"}:
        return Cause.HEADER
    if header["typ"] != TYP:
        return Cause.TYPE
    if header["alg"] != ALGORITHM:
        return Cause.ALGORITHM
    if not isinstance(header["kid"], str) or not _KID.fullmatch(header["kid"]):
        return Cause.UNKNOWN_KEY
    return Candidate(header["kid"], claims)


def _object(segment: str) -> dict[str, Any] | None:
    data = _decode(segment)
    if data is None or data.count(b"[") + data.count(b"{") > MAX_BRACKETS:
        return None
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decode(segment: str) -> bytes | None:
    """Spare bits in the last character would give one token several spellings."""
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") == segment else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(_: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")
