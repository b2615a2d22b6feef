"""What the browser edge and bot challenges need from outside, and how each of them fails.

Common to all stores: "cannot be reached" is `services.kit.errors.Unavailable`, never an empty answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.auth.policy.challenges import Answer, Provider
from services.kit.postgres import Proven


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """The edge of a brand as kept; `previous_until` is unix seconds, None when there is no secret before."""

    organisation: str
    brand: str
    version: int
    rules: Mapping[str, Any]
    secret: bytes = field(default=b"", repr=False)
    previous_secret: bytes = field(default=b"", repr=False)
    previous_until: float | None = None


class EdgeStore(Protocol):
    """The edges of all brands. Everything but `of_brand` sees only the organisation that `proof` proves."""

    async def of_brand(self, organisation: str, brand: str) -> EdgeRow | None:
        """Exactly this brand's, before any tenant is proven; None for unknown and foreign. Raises Unavailable."""
        ...

    async def find(self, proof: Proven, brand: str) -> EdgeRow | None:
        """The caller's own; None when there is none. Raises Unavailable."""
        ...

    async def put(self, proof: Proven, row: EdgeRow, by: str) -> bool:
        """Keeps the row in place of the version before it; False when another one was faster, or when the
        organisation has too many. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """What a sealed secret is bound to."""

    organisation: str
    brand: str
    provider: str


class SecretSealer(Protocol):
    """Seals the secrets of challenges, and makes the marks that only auth can make; never fails but by None."""

    def seal(self, place: Place, secret: str) -> bytes:
        """Opens at this place only."""
        ...

    def open(self, place: Place, record: bytes) -> str | None:
        """None for a record of any other place, altered, or of a key that is gone."""
        ...

    def marks(self, label: str, *parts: str) -> tuple[str, ...]:
        """43 characters over the parts, by every version of the key, the active one first."""
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """A solved challenge on its way to the provider. `site_key` narrows it where the provider can."""

    provider: Provider
    text: str = field(repr=False)
    secret: str = field(repr=False)
    site_key: str = ""
    remote_address: str = ""
    idempotency_key: str = ""


class ProviderDownError(Exception):
    """The provider did not answer in its own form within the time. Says which rule failed, never what was read."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class ChallengeProvider(Protocol):
    """Asks a provider once."""

    async def verify(self, token: Token, seconds: float) -> Answer:
        """What it says. Raises ProviderDownError; whether the token was spent then is not known."""
        ...


class ReplayMarks(Protocol):
    """Which tokens were seen, and how many each address has brought."""

    async def claim(self, digest: str, owner: str, seconds: int) -> bool:
        """True for the first owner of a digest, and for the same owner again. Raises Unavailable."""
        ...

    async def count(self, address: str, seconds: int) -> int:
        """How many this address has brought in the running window, with this one. Raises Unavailable."""
        ...
