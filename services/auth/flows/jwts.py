"""Verifies a token of an organisation's own issuer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from services.auth.flows.api_keys import BrandOf
from services.auth.flows.epochs import EpochBook
from services.auth.flows.jwt_memory import TokenMemory, digest_of
from services.auth.policy import epochs, jwt_claims, jwt_shape
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Marks
from services.auth.policy.identity import Presented, Verified
from services.auth.policy.jwt_claims import Asserted
from services.auth.policy.jwt_shape import Candidate, IssuerRules
from services.auth.ports import IssuerKeys
from services.kit.clock import Clock
from services.kit.epochs import Grounds
from services.kit.jws import MAX_LENGTH
from services.kit.telemetry import span

Issuer = tuple[IssuerRules, IssuerKeys]
MEMORY_SECONDS = 60.0


class JwtVerifier:
    """Shape, key, signature, claims, epochs: nothing that a token says is believed before the step that proves it."""

    def __init__(
        self, issuers: Sequence[Issuer], book: EpochBook, clock: Clock, memory_seconds: float = MEMORY_SECONDS
    ) -> None:
        self._rules = {rules.issuer: rules for rules, _ in issuers}
        self._keys = {rules.issuer: keys for rules, keys in issuers}
        self._book = book
        self._clock = clock
        self._memory = TokenMemory(clock, memory_seconds)

    async def verify(self, presented: Presented, brand_of: BrandOf) -> tuple[Verified, Marks] | Cause:
        """The asserted identity with the epochs it stands on; Unavailable while the issuer's keys are not known."""
        if len(presented.text) > MAX_LENGTH:
            return Cause.JWT_OVERSIZE
        digest = digest_of(presented.text)
        asserted = self._recalled(digest) or await self._prove(presented.text, digest)
        if isinstance(asserted, Cause):
            return asserted
        found = await self._still_good(asserted, brand_of)
        if isinstance(found, Cause):
            self._memory.drop(digest)
        return found

    def clear(self) -> None:
        """Forgets what was verified."""
        self._memory.clear()

    def _recalled(self, digest: bytes) -> Asserted | None:
        """What was proven a moment ago, unless time or a change of the issuer's keys has ended it since."""
        entry = self._memory.get(digest)
        if entry is None:
            return None
        same_keys = self._keys[entry.rules.issuer].generation() == entry.generation
        if same_keys and jwt_claims.still(entry.asserted, entry.rules, self._clock.now()) is Cause.NONE:
            return entry.asserted
        self._memory.drop(digest)
        return None

    async def _prove(self, token: str, digest: bytes) -> Asserted | Cause:
        candidate = jwt_shape.inspect(token, self._rules)
        if isinstance(candidate, Cause):
            return candidate
        keys = self._keys[candidate.rules.issuer]
        key = await keys.find(candidate.kid)
        if key is None:
            return Cause.JWT_UNKNOWN_KEY
        generation = keys.generation()  # nothing was awaited since: it is that of the set the key is from
        claims = _verify_signature(token, candidate, key)
        if isinstance(claims, Cause):
            return claims
        asserted = jwt_claims.decide(claims, candidate.rules, self._clock.now())
        if isinstance(asserted, Asserted) and generation is not None:
            self._memory.put(digest, asserted, candidate.rules, generation)
        return asserted

    async def _still_good(self, asserted: Asserted, brand_of: BrandOf) -> tuple[Verified, Marks] | Cause:
        """Asked every time, remembered or not: a revocation does not wait for a memory to fade."""
        brand = brand_of(asserted.organisation, asserted.subject, "")
        grounds = Grounds(asserted.subject, brand, token_id=asserted.token_id)
        marks = await self._book.read_grounds(asserted.organisation, grounds)
        if epochs.overtaken(asserted.issued_at, marks, asserted.slack):
            return Cause.EPOCH_OVERTAKEN
        verified = Verified(
            organisation=asserted.organisation,
            subject=asserted.subject,
            brand="",
            credential_id=asserted.credential_id,
            scopes=asserted.scopes,
            issued_at=asserted.issued_at,
            token_id=asserted.token_id,
            authentication=asserted.authentication,
            ends_at=asserted.expires_at,
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
