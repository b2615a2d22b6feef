"""What auth needs from outside, and how each of them fails.

Common to all: "cannot be reached" is `services.kit.errors.Unavailable`, never an empty answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.auth.policy.admissions import Admission
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.epochs import Mark
from services.auth.policy.identity import Membership, Presented
from services.kit.caller import Epochs
from services.kit.postgres import Proven
from services.kit.revocations import Rise


@dataclass(frozen=True, slots=True)
class Digest:
    """The keyed digest of an API key, and the version of the pepper that made it."""

    pepper: str
    value: bytes


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be kept: its record and its digest."""

    record: KeyRecord
    digest: Digest
    created_by: str


class KeyStore(Protocol):
    """API keys. Everything but `by_digest` sees only the organisation that `proof` proves."""

    async def by_digest(self, digests: Sequence[bytes]) -> KeyRecord | None:
        """The key with one of these digests, in one round trip; None when there is none. Raises Unavailable."""
        ...

    async def active(self, proof: Proven, now: float) -> bool:
        """Whether the organisation has a key that is not ended, expired, or overtaken by a revocation.

        Raises Unavailable.
        """
        ...

    async def add_first(self, proof: Proven, new: NewKey, now: float) -> KeyRecord | None:
        """Keeps a key for an organisation that has no active one; None when it has. Raises Unavailable."""
        ...

    async def add(self, proof: Proven, new: NewKey) -> KeyRecord:
        """Keeps a key. Raises AlreadyExists when its digest is kept already (an imported hash), or Unavailable."""
        ...

    async def find(self, proof: Proven, key_id: str) -> KeyRecord | None:
        """One key; None for unknown and foreign alike. Raises Unavailable."""
        ...

    async def replace(
        self, proof: Proven, old: KeyRecord, grace_until: float, new: NewKey, cut: bool
    ) -> KeyRecord | None:
        """Keeps the new key and ends the old one at `grace_until`; with `cut` its epoch rises too. The owner is told
        (the notice is part of the transaction).

        None when the old one changed meanwhile. Raises Unavailable.
        """
        ...

    async def revoke(self, proof: Proven, key_id: str) -> KeyRecord | None:
        """Revokes and raises its epoch, once; a revoked key stays as it is.

        None for unknown and foreign. Raises Unavailable.
        """
        ...

    async def page(self, proof: Proven, after: tuple[float, str] | None, size: int) -> list[KeyRecord]:
        """Keys in order of creation. Raises Unavailable."""
        ...


class EpochLedger(Protocol):
    """The epochs as committed."""

    async def read(self, proof: Proven, names: Sequence[str]) -> dict[str, Mark]:
        """One mark for every name asked; a name without a row has never risen. Raises Unavailable."""
        ...

    async def rise(self, proof: Proven, organisation: str, name: str, keep_until: float | None = None) -> Mark:
        """Commits the next epoch. With `keep_until` (unix seconds) it may be forgotten from then on: only for what is
        never accepted again after that moment anyway. Raises Unavailable."""
        ...

    async def turn(self, proof: Proven, organisation: str, name: str, *, hold: bool) -> Mark | None:
        """Commits the next epoch of a hold when that makes it stand, or not stand, as asked; None: it did already.
        Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A stretch of the feed: its last number as of this reading, the last forgotten one, and rises in order."""

    head: int
    forgotten: int
    rises: tuple[Rise, ...]


class FeedStore(Protocol):
    """The feed of revocations, across organisations, in the order of their commits."""

    async def read(self, after: int, most: int) -> FeedPage:
        """The rises after a number, as of one moment; fewer than `most` means: all up to `head`. Raises Unavailable."""
        ...

    async def forget(self) -> None:
        """Forgets what is too old to matter. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """What one process said last: how far it is, whether it hears the feed, and how long ago it said so (seconds)."""

    process: str
    sequence: int
    following: bool
    silent_for: float


class Watchers(Protocol):
    """Who follows the feed, over all processes of auth."""

    async def note(self, process: str, sequence: int, following: bool) -> None:
        """Keeps what a process says of itself. Raises Unavailable."""
        ...

    async def recent(self) -> list[Progress]:
        """Who reported within the last minute. Raises Unavailable."""
        ...


class EpochMirror(Protocol):
    """The epochs as read on every call: a mirror of the ledger that may be empty, but is never behind.

    A name under change, and every name after the server was restarted, reads as None.
    """

    async def read(self, organisation: str, names: Sequence[str]) -> list[Mark | None]:
        """What is known, in the order asked. Raises Unavailable."""
        ...

    async def fill(self, organisation: str, marks: Mapping[str, Mark]) -> None:
        """Takes over what the ledger said; never lowers an epoch. Raises Unavailable."""
        ...

    async def withhold(self, organisation: str, name: str) -> str:
        """Forgets a name, before the ledger changes, until `publish` with the token returned, or for a minute.

        Raises Unavailable.
        """
        ...

    async def publish(self, organisation: str, name: str, mark: Mark, token: str) -> None:
        """Ends `withhold`, unless somebody withheld the name again.

        Raises Unavailable; the name then stays withheld, which is safe.
        """
        ...


class AdmissionStore(Protocol):
    """Admissions, known by the digest of their handle."""

    async def put(self, digest: str, admission: Admission, seconds: float) -> None:
        """Keeps one for a while. Raises Unavailable."""
        ...

    async def get(self, digest: str) -> Admission | None:
        """None for unknown, expired and tampered ones. Raises Unavailable."""
        ...


class Directory(Protocol):
    """What tenancy knows."""

    async def resolve(self, organisation: str, subject: str, brand: str) -> Membership:
        """The membership; an empty brand lets tenancy choose. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Handover:
    """What a redeemed context token stands for: its user, both brands, and the epochs at the moment of issue."""

    organisation: str
    subject: str
    brand: str
    source_brand: str
    scopes: frozenset[str]
    epochs: Epochs
    key_id: str
    session_id: str
    origin_token_id: str
    token_id: str
    issued_at: float
    context: bytes = field(repr=False)


class ContextTokens(Protocol):
    """The service that redeems context tokens."""

    async def redeem(self, presented: Presented) -> Handover | None:
        """None for every token that is not accepted; a retry by the same workload gets the same answer.

        Raises Unavailable when that service does not answer, or DeadlineExceeded.
        """
        ...


class IssuerKeys(Protocol):
    """The public keys of one issuer."""

    async def find(self, kid: str) -> Any | None:
        """The key; None when the issuer has none of this name.

        Raises Unavailable when that cannot be said: nothing was ever loaded, or the last try to load failed.
        """
        ...

    def generation(self) -> int | None:
        """Another number whenever the set of keys is another one; None while there is none that may be used."""
        ...


class Signer(Protocol):
    """Signs transaction tokens and proofs of an organisation; holds the keys, never fails once made."""

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWS with the type of transaction tokens."""
        ...

    def prove(self, organisation: str, expires_at: float) -> str:
        """The proof that PostgreSQL checks."""
        ...

    def jwks(self) -> str:
        """The public keys, every version, as JSON."""
        ...


class Pepper(Protocol):
    """The secret that digests of API keys are made with; never fails."""

    def digest(self, key: str) -> Digest:
        """With the active version."""
        ...

    def all_digests(self, key: str) -> tuple[Digest, ...]:
        """With every version, the active one first."""
        ...
