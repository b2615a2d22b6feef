"""Verifies a token of an organisation's own issuer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from services.auth.flows.api_keys import BrandOf
from services.auth.flows.epochs import EpochBook
from services.auth.policy import epochs, jwt_claims, jwt_shape
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Marks
from services.auth.policy.identity import Presented, Verified
from services.auth.policy.jwt_claims import Asserted
from services.auth.policy.jwt_shape import Candidate, IssuerRules
from services.auth.ports import IssuerKeys
from services.kit.clock import Clock
from services.kit.epochs import Grounds
from services.kit.telemetry import span

Issuer = tuple[IssuerRules, IssuerKeys]


class JwtVerifier:
    """Shape, key, signature, claims, epochs: nothing that a token says is believed before the step that proves it."""

    def __init__(self, issuers: Sequence[Issuer], book: EpochBook, clock: Clock) -> None:
        self._rules = {rules.issuer: rules for rules, _ in issuers}
        self._keys = {rules.issuer: keys for rules, keys in issuers}
        self._book = book
        self._clock = clock

    async def verify(self, presented: Presented, brand_of: BrandOf) -> tuple[Verified, Marks] | Cause:
        """The asserted identity with the epochs it stands on; Unavailable while the issuer's keys are not known."""
        candidate = jwt_shape.inspect(presented.text, self._rules)
        if isinstance(candidate, Cause):
            return candidate
        key = await self._keys[candidate.rules.issuer].find(candidate.kid)
        if key is None:
            return Cause.JWT_UNKNOWN_KEY
        claims = _verify_signature(presented.text, candidate, key)
        if isinstance(claims, Cause):
            return claims
        asserted = jwt_claims.decide(claims, candidate.rules, self._clock.now())
        if isinstance(asserted, Cause):
            return asserted
        return await self._still_good(asserted, brand_of)

    async def _still_good(self, asserted: Asserted, brand_of: BrandOf) -> tuple[Verified, Marks] | Cause:
        brand = brand_of(asserted.organisation, asserted.subject, "")
        marks = await self._book.read(asserted.organisation, Grounds(asserted.subject, brand).names())
        if epochs.overtaken(asserted.issued_at, marks, asserted.slack):
            return Cause.EPOCH_OVERTAKEN
        verified = Verified(
            organisation=asserted.organisation,
            subject=asserted.subject,
            brand="",
            credential_id=asserted.credential_id,
            scopes=asserted.scopes,
            issued_at=asserted.issued_at,
            slack=asserted.slack,
        )
        return verified, marks


def _verify_signature(token: str, candidate: Candidate, key: Any) -> Mapping[str, Any] | Cause:
    """What the library can check is checked here; `policy.jwt_claims` checks the rest, and the times again."""
    rules = candidate.rules
    try:
        with span("auth jwt verify"):
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[candidate.algorithm],
                audience=rules.audience,
                issuer=rules.issuer,
                leeway=rules.leeway,
                options={
                    "require": list(jwt_claims.REQUIRED),
                    "strict_aud": True,
                    "enforce_minimum_key_length": True,
                },
            )
    except jwt.InvalidAudienceError:
        return Cause.JWT_AUDIENCE
    except jwt.ExpiredSignatureError:
        return Cause.JWT_EXPIRED
    except jwt.ImmatureSignatureError:
        return Cause.JWT_NOT_YET_VALID
    except jwt.MissingRequiredClaimError:
        return Cause.JWT_CLAIMS
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return Cause.JWT_SIGNATURE
    return claims
