"""What is checked of a JWT before any cryptography: cheap, and independent of the library that verifies it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.auth.policy.causes import Cause

MAX_LENGTH = 8192
MAX_DEPTH_MARKS = 256  # brackets in a payload; far more than any claim set has
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_KID = re.compile(r"[A-Za-z0-9._~=+/:-]{1,128}")
# Headers by which a token would bring its own key, or change how it must be read.
_FORBIDDEN = frozenset({"jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "enc"})
# Our own kinds are never an issuer's credential, whatever the settings say.
OWN_TYPES = frozenset({"txntoken+jwt", "ctx+jwt"})


@dataclass(frozen=True, slots=True)
class IssuerRules:
    """What one issuer may say, and how. `organisation_claim` is needed when it speaks for several organisations."""

    name: str
    issuer: str
    audience: str
    organisations: tuple[str, ...]
    algorithms: frozenset[str]
    types: frozenset[str]
    scopes: frozenset[str]
    organisation_claim: str = ""
    subject_claim: str = "sub"
    scope_claim: str = ""
    max_lifetime: float = 3600.0
    leeway: float = 30.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token whose shape is in order; nothing in it is proven yet."""

    rules: IssuerRules
    algorithm: str
    kid: str


def inspect(token: str, issuers: Mapping[str, IssuerRules]) -> Candidate | Cause:
    """The issuer, algorithm and key that the token must be verified with, or why it need not be."""
    if len(token) > MAX_LENGTH:
        return Cause.JWT_OVERSIZE
    match = _COMPACT.fullmatch(token)
    if match is None:
        return Cause.JWT_MALFORMED
    header, payload = _object(match[1]), _object(match[2])
    if header is None or payload is None or _decode(match[3]) is None:
        return Cause.JWT_MALFORMED
    rules = issuers.get(payload["iss"]) if isinstance(payload.get("iss"), str) else None
    if rules is None:
        return Cause.JWT_ISSUER
    return _judge_header(header, rules)


def _judge_header(header: Mapping[str, Any], rules: IssuerRules) -> Candidate | Cause:
    if _FORBIDDEN & header.keys():
        return Cause.JWT_HEADER
    kind = header.get("typ", "")
    if not isinstance(kind, str) or _type(kind) not in rules.types or _type(kind) in OWN_TYPES:
        return Cause.JWT_TYPE
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in rules.algorithms:
        return Cause.JWT_ALGORITHM
    kid = header.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid) or ".." in kid:
        return Cause.JWT_KID
    return Candidate(rules, algorithm, kid)


def _type(text: str) -> str:
    return text.lower().removeprefix("application/")


def _object(segment: str) -> dict[str, Any] | None:
    data = _decode(segment)
    if data is None or data.count(b"[") + data.count(b"{") > MAX_DEPTH_MARKS:
        return None
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decode(segment: str) -> bytes | None:
    """Canonical base64url only: spare bits in the last character would give one token several spellings."""
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


def _no_constant(_: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")
