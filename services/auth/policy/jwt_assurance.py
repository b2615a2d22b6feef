"""How a user proved to be the user, as an issuer asserts it, and whether that is enough for this issuer's tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from services.auth.policy.causes import Cause
from services.auth.policy.jwt_shape import IssuerRules
from services.kit.caller import Authentication

MOST_METHODS = 16
_FACT = re.compile(r"[\x21-\x7e]{1,128}")
_LATEST = 10**11


def facts(claims: Mapping[str, Any], rules: IssuerRules, now: float) -> Authentication:
    """The claims acr, amr and auth_time. One that is malformed counts as unsaid: facts only ever add trust."""
    methods = claims.get("amr")
    known = isinstance(methods, list) and len(methods) <= MOST_METHODS and all(map(_is_fact, methods))
    acr = claims.get("acr")
    at = claims.get("auth_time")
    is_time = isinstance(at, int | float) and not isinstance(at, bool) and 0 < at <= min(_LATEST, now + rules.leeway)
    return Authentication(
        acr if isinstance(acr, str) and _is_fact(acr) else "",
        tuple(dict.fromkeys(methods)) if known and isinstance(methods, list) else (),
        int(at) if is_time and at is not None else 0,
    )


def lacking(authentication: Authentication, rules: IssuerRules, now: float) -> Cause:
    """What the issuer's rules demand and the sign-in does not show; NONE when it is enough."""
    if rules.required_acr and authentication.acr not in rules.required_acr:
        return Cause.JWT_ACR
    if not rules.required_amr <= set(authentication.amr):
        return Cause.JWT_AMR
    # A sign-in without a time has no age that could be small enough.
    if rules.max_auth_age and now - authentication.auth_time > rules.max_auth_age:
        return Cause.JWT_AUTH_AGE
    return Cause.NONE


def _is_fact(value: object) -> bool:
    return isinstance(value, str) and _FACT.fullmatch(value) is not None
