"""What the context-token service needs from outside, and how each of it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.context_token.policy.causes import Cause, IssueCause
from services.context_token.policy.model import Grant
from services.context_token.policy.shape import Candidate


@dataclass(frozen=True, slots=True)
class Sealed:
    """A body as it is kept, and the digest that binds a token to it."""

    record: bytes = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True)
class Place:
    """What a sealed body is bound to: it opens for no other token, organisation, brand or time."""

    organisation: str
    brand: str
    token_id: str
    expires_at: int


class Sealer(Protocol):
    """Seals bodies; never fails once made."""

    def seal(self, place: Place, body: bytes) -> Sealed:
        """Sealed for this place."""
        ...

    def open(self, place: Place, sealed: Sealed) -> bytes | None:
        """The body; None when the record was made for another place, altered, or is not the one of the digest."""
        ...


class BodyStore(Protocol):
    """Sealed bodies and what became of their tokens. Raises Unavailable when the store does not answer: nothing is
    issued, redeemed or revoked then."""

    async def put(self, grant: Grant, record: bytes, seconds: float) -> bool:
        """Keeps one for its token's life; False when its user has too many live tokens."""
        ...

    async def take(self, grant: Grant, consumer: str) -> bytes | Cause:
        """The record for this consumer; or why not (GONE, REVOKED, REPLAYED). Marks a single-use token as used."""
        ...

    async def revoke(self, grant: Grant) -> None:
        """Deletes the body and remembers that the token was revoked, for the rest of its life."""
        ...


class Signer(Protocol):
    """Signs and verifies; holds the keys, never fails once made."""

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWS with the type of context tokens; other work goes on meanwhile."""
        ...

    def verify(self, token: str, candidate: Candidate) -> Cause:
        """NONE when the signature is that of the key named; else UNKNOWN_KEY or SIGNATURE."""
        ...

    def jwks(self) -> str:
        """The public keys, every version, as JSON."""
        ...


class Permissions(Protocol):
    """What tenancy says about the caller whose token is passed on."""

    async def may_use(self, token: str, brand: str) -> IssueCause:
        """NONE when this user may chat with this brand. Raises Unavailable when tenancy does not answer."""
        ...
