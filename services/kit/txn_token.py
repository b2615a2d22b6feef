"""The transaction token: its claims in both directions, and the verifier that every service runs itself.

After the IETF OAuth Transaction Tokens draft (header `typ: txntoken+jwt`); ES256, 60 s, minted by auth alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

import jwt

from services.kit.caller import UNSAID, Authentication, Caller, KeyLimit
from services.kit.clock import Clock
from services.kit.epochs import epoch_claims, epochs_of
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.jws import MAX_LENGTH, parts

TYP = "txntoken+jwt"
ALGORITHM = "ES256"
METADATA_KEY = "txn-token"
MOST_BRACKETS = 32  # the claims have three objects; a deeper payload is not ours
REQUIRED = ["iss", "aud", "iat", "exp", "jti", "txn", "sub", "scope", "req_wl", "tenant", "org_mac"]


def claims_of(caller: Caller, *, issuer: str, audience: str, jti: str, issued_at: int) -> dict[str, Any]:
    """The claims that say what `caller` says."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "iat": issued_at,
        "exp": caller.expires_at,
        "jti": jti,
        "txn": caller.txn,
        "sub": caller.subject,
        "scope": " ".join(sorted(caller.scopes)),
        "req_wl": caller.workload,
        "tenant": caller.organisation,
        "brand": caller.brand,
        "cid": caller.credential_id,
        "sid": caller.session_id,
        "ep": epoch_claims(caller.epochs),
        "org_mac": caller.org_mac,
        "tctx": {"plan": caller.plan, "zone": caller.zone, "since": caller.account_created},
    }
    if caller.actor:
        claims["act"] = {"sub": caller.actor}
    if caller.token_id:
        claims["oti"] = caller.token_id
    if caller.authentication != UNSAID:
        proof = caller.authentication
        claims |= {"acr": proof.acr, "amr": list(proof.amr), "auth_time": proof.auth_time}
    if caller.credential_ends_at:
        claims["cexp"] = caller.credential_ends_at
    if caller.limits:
        claims["lim"] = [[limit.unit, limit.amount, limit.seconds] for limit in caller.limits]
    return claims


def caller_of(claims: Mapping[str, Any]) -> Caller:
    """The caller that verified claims speak of; raises Unauthenticated when their shape is not ours."""
    try:
        facts = claims.get("tctx", {})
        return Caller(
            organisation=_text(claims["tenant"]),
            subject=_text(claims["sub"]),
            brand=str(claims.get("brand", "")),
            txn=_text(claims["txn"]),
            workload=_text(claims["req_wl"]),
            org_mac=_text(claims["org_mac"]),
            expires_at=int(claims["exp"]),
            credential_id=str(claims.get("cid", "")),
            session_id=str(claims.get("sid", "")),
            scopes=frozenset(str(claims["scope"]).split()),
            token_id=str(claims.get("oti", "")),
            epochs=epochs_of(claims.get("ep", {})),
            plan=str(facts.get("plan", "")),
            zone=str(facts.get("zone", "UTC")),
            account_created=int(facts.get("since", 0)),
            actor=str(claims.get("act", {}).get("sub", "")),
            authentication=Authentication(
                str(claims.get("acr", "")),
                tuple(str(method) for method in claims.get("amr", ())),
                int(claims.get("auth_time", 0)),
            ),
            limits=tuple(KeyLimit(str(unit), int(amount), int(span)) for unit, amount, span in claims.get("lim", ())),
            credential_ends_at=int(claims.get("cexp", 0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unauthenticated from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


class VerificationKeys(Protocol):
    """Public keys by `kid`. Raises Unavailable while no set was ever loaded; unknown kids give None."""

    generation: int

    def find(self, kid: str) -> Any | None:
        """The parsed public key, or None."""
        ...


class TokenVerifier:
    """Verifies transaction tokens for one trust domain; verified ones are remembered until they expire."""

    def __init__(
        self, keys: VerificationKeys, *, issuer: str, audience: str, clock: Clock, remembered: int = 10_000
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._limit = remembered
        self._generation = keys.generation
        self._seen: OrderedDict[str, Caller] = OrderedDict()

    def verify(self, token: str) -> Caller:
        """The caller of a valid token; raises Unauthenticated (one answer for every cause) or Unavailable."""
        if self._keys.generation != self._generation:  # a withdrawn key must not live on in this memory
            self._seen.clear()
            self._generation = self._keys.generation
        caller = self._seen.get(token)
        if caller is None:
            caller = caller_of(self._decode(token))
            self._seen[token] = caller
            if len(self._seen) > self._limit:
                self._seen.popitem(last=False)
        if caller.expires_at <= self._clock.now():
            self._seen.pop(token, None)
            raise Unauthenticated
        return caller

    def forget(self) -> None:
        """Every token is verified anew from here on."""
        self._seen.clear()

    def _decode(self, token: str) -> Mapping[str, Any]:
        if not token or len(token) > MAX_LENGTH:
            raise Unauthenticated
        try:
            header = (parts(token, MOST_BRACKETS) or ({}, {}))[0]
            if header.get("typ") != TYP or header.get("alg") != ALGORITHM or set(header) != {"typ", "alg", "kid"}:
                raise Unauthenticated
            key = self._keys.find(str(header["kid"]))
            if key is None:
                raise Unauthenticated
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": REQUIRED, "strict_aud": True},
            )
        except Unavailable:
            raise
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthenticated from None
        return claims
