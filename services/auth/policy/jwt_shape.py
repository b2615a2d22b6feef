"""What is checked of a JWT before any cryptography: cheap, and independent of the library that verifies it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.auth.policy.causes import Cause
from services.kit.jws import MAX_LENGTH, parts

MAX_DEPTH_MARKS = 256  # brackets in a payload; far more than any claim set has
_KID = re.compile(r"[A-Za-z0-9._~=+/:-]{1,128}")
# Headers by which a token would bring its own key, or change how it must be read.
_FORBIDDEN = frozenset({"jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "enc", "cty", "epk", "p2c", "p2s"})
# Our own kinds are never an issuer's credential, whatever the settings say.
OWN_TYPES = frozenset({"txntoken+jwt", "ctx+jwt"})


@dataclass(frozen=True, slots=True)
class IssuerRules:
    """What one issuer may say, and how. `organisation_claim` is needed when it speaks for several organisations.

    Demands on the sign-in: one of `required_acr`, all of `required_amr`, at most `max_auth_age` seconds ago (0 = any).
    """

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
    require_jti: bool = False
    required_acr: frozenset[str] = frozenset()
    required_amr: frozenset[str] = frozenset()
    max_auth_age: float = 0.0


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
    found = parts(token, MAX_DEPTH_MARKS)
    if found is None:
        return Cause.JWT_MALFORMED
    header, payload = found
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
