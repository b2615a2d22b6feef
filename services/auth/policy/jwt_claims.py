"""What is decided about the claims of a JWT whose signature is good."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.auth.policy import jwt_assurance, scopes
from services.auth.policy.api_keys import ID_BYTES, ID_LENGTH, base62
from services.auth.policy.causes import Cause
from services.auth.policy.jwt_shape import IssuerRules
from services.kit.caller import Authentication

REQUIRED = ("iss", "aud", "sub", "iat", "exp")
_LATEST = 1e11
_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_JTI = re.compile(r"[\x20-\x7e]{1,256}")


@dataclass(frozen=True, slots=True)
class Asserted:
    """Who an issuer says is asking, and in which span of time. `slack` is how far its clock may be ahead of ours."""

    organisation: str
    subject: str
    credential_id: str
    scopes: frozenset[str]
    token_id: str
    authentication: Authentication
    issued_at: float
    not_before: float
    expires_at: float
    slack: float


def decide(claims: Mapping[str, Any], rules: IssuerRules, now: float) -> Asserted | Cause:
    """The identity that verified claims assert, or why they are refused."""
    if any(name not in claims for name in REQUIRED) or claims["iss"] != rules.issuer:
        return Cause.JWT_CLAIMS
    if claims["aud"] != rules.audience:  # one text, not a list that merely contains us
        return Cause.JWT_AUDIENCE
    cause = _times(claims, rules, now)
    if cause is not Cause.NONE:
        return cause
    subject = claims.get(rules.subject_claim)
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        return Cause.JWT_SUBJECT
    organisation = _organisation(claims, rules)
    if organisation is None:
        return Cause.JWT_ORGANISATION
    jti = claims.get("jti")
    if (jti is None and rules.require_jti) or (jti is not None and not _is_jti(jti)):
        return Cause.JWT_TOKEN_ID
    authentication = jwt_assurance.facts(claims, rules, now)
    cause = jwt_assurance.lacking(authentication, rules, now)
    if cause is not Cause.NONE:
        return cause
    return Asserted(
        organisation=organisation,
        subject=subject,
        credential_id="jwt_" + _digest(rules.issuer, subject),
        scopes=_scopes(claims, rules),
        token_id="" if jti is None else token_id(rules.issuer, jti),
        authentication=authentication,
        issued_at=float(claims["iat"]),
        not_before=float(max(claims["iat"], claims.get("nbf", 0))),
        expires_at=float(claims["exp"]),
        slack=rules.leeway,
    )


def still(asserted: Asserted, rules: IssuerRules, now: float) -> Cause:
    """`decide` again for claims that were accepted before: of it, only time can have changed the outcome."""
    if now < asserted.not_before - rules.leeway:
        return Cause.JWT_NOT_YET_VALID
    if asserted.expires_at <= now:
        return Cause.JWT_EXPIRED
    return jwt_assurance.lacking(asserted.authentication, rules, now)


def token_id(issuer: str, jti: str) -> str:
    """The name under which one token of an issuer is revoked: 22 base62 characters, whatever its own name is like.

    It is a function of what the issuer said, not of the token's bytes: another spelling of the same token is the same.
    """
    return _digest(issuer, jti)


def _times(claims: Mapping[str, Any], rules: IssuerRules, now: float) -> Cause:
    issued, expires, earliest = claims["iat"], claims["exp"], claims.get("nbf", 0)
    if not all(_is_time(value) for value in (issued, expires, earliest)):
        return Cause.JWT_CLAIMS
    if issued > now + rules.leeway or earliest > now + rules.leeway:
        return Cause.JWT_NOT_YET_VALID
    if expires <= now - rules.leeway:
        return Cause.JWT_EXPIRED
    if not 0 < expires - issued <= rules.max_lifetime:
        return Cause.JWT_LIFETIME
    return Cause.NONE


def _is_time(value: object) -> bool:
    # The bound also refuses infinity, not-a-number and integers that no clock reaches.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST


def _is_jti(value: object) -> bool:
    return isinstance(value, str) and _JTI.fullmatch(value) is not None


def _organisation(claims: Mapping[str, Any], rules: IssuerRules) -> str | None:
    """The organisation is bound to the issuer; a claim only chooses among those it may speak for."""
    if not rules.organisation_claim:
        return rules.organisations[0] if len(rules.organisations) == 1 else None
    claimed = claims.get(rules.organisation_claim)
    return claimed if isinstance(claimed, str) and claimed in rules.organisations else None


def _scopes(claims: Mapping[str, Any], rules: IssuerRules) -> frozenset[str]:
    ceiling = frozenset(scope for scope in rules.scopes if scopes.may_hold(scope))
    if not rules.scope_claim:
        return ceiling
    claimed = claims.get(rules.scope_claim)
    return scopes.granted(claimed, ceiling) if isinstance(claimed, str) else frozenset()


def _digest(issuer: str, name: str) -> str:
    """Stable for one user or token of one issuer, and shows neither."""
    raw = hashlib.sha256(f"{issuer}\0{name}".encode()).digest()[:ID_BYTES]
    return base62(int.from_bytes(raw, "big"), ID_LENGTH)
