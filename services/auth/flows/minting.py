"""Transaction tokens and the proofs that go with them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from services.auth.policy.identity import Circumstances
from services.auth.ports import Signer
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.txn_token import claims_of

# A statement begun with a token's last second must still find its proof alive.
PROOF_SURPLUS_SECONDS = 5
# Long enough for one question to tenancy, short enough to be worth nothing to anybody.
PROVISIONAL_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Minted:
    """A signed token and the caller that it speaks of."""

    token: str
    caller: Caller


@dataclass(frozen=True, slots=True)
class Proof:
    """Stands for an organisation before PostgreSQL."""

    org_mac: str


class Minter:
    """Makes tokens of one trust domain."""

    def __init__(self, signer: Signer, clock: Clock, *, issuer: str, audience: str, seconds: int) -> None:
        self._signer = signer
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._seconds = seconds

    def mint(self, caller: Caller, circumstances: Circumstances | None = None) -> Minted:
        """A token for `caller`, whose expiry and proof are made here."""
        return self._mint(caller, self._seconds, circumstances)

    def provisional(self, organisation: str, subject: str) -> str:
        """A token that carries nothing but who is being asked about; only auth itself ever sends one."""
        caller = Caller(organisation, subject, "", secrets.token_hex(16), "auth", "", 0)
        return self._mint(caller, PROVISIONAL_SECONDS, None).token

    def proof(self, organisation: str) -> Proof:
        """For auth's own rows, where a credential or an operator named the organisation."""
        return Proof(self._signer.prove(organisation, self._clock.now() + PROVISIONAL_SECONDS))

    def _mint(self, caller: Caller, seconds: int, circumstances: Circumstances | None) -> Minted:
        issued_at = int(self._clock.now())
        expires_at = issued_at + seconds
        proof = self._signer.prove(caller.organisation, expires_at + PROOF_SURPLUS_SECONDS)
        final = replace(caller, expires_at=expires_at, org_mac=proof)
        claims = claims_of(
            final, issuer=self._issuer, audience=self._audience, jti=secrets.token_urlsafe(16), issued_at=issued_at
        )
        around = circumstances.claims() if circumstances else {}
        if around:
            claims["rctx"] = around
        return Minted(self._signer.sign(claims), final)
