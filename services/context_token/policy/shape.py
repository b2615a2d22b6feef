"""What is checked of a context token before any cryptography: cheap, and independent of the library that verifies it.

There is exactly one spelling of a token: three canonical base64url parts, a header of three names, nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.context_token.policy.causes import Cause
from services.kit.jws import MAX_LENGTH, parts

TYP = "ctx+jwt"
ALGORITHM = "RS256"
MAX_BRACKETS = 32  # the claims have two objects; a deeper payload is not ours

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
    found = parts(token, MAX_BRACKETS)
    if found is None:
        return Cause.MALFORMED
    header, claims = found
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
