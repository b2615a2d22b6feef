"""What the life of API keys needs from outside, beside `ports.KeyStore`, and how each of them fails.

Common to all: "cannot be reached" is `services.kit.errors.Unavailable`, never an empty answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.auth.policy.api_keys import KeyRecord, OnLeak
from services.auth.ports import Digest
from services.kit.postgres import Proven
from services.kit.webhooks import Target


@dataclass(frozen=True, slots=True)
class Use:
    """Who used a key, as coarse as it is kept: the workload, the /24 or /48, the minute (unix seconds)."""

    key_id: str
    workload: str
    network: str
    minute: int


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A key whose digest is to be made with another version of the pepper."""

    key_id: str
    was: str
    digest: Digest


class UseStore(Protocol):
    """The use of keys, written in batches beside the requests."""

    async def record(self, proof: Proven, uses: Sequence[Use]) -> None:
        """Keeps the latest minute of each, never moves one back; the oldest beyond a bound are forgotten.

        Raises Unavailable.
        """
        ...

    async def upgrade(self, proof: Proven, upgrades: Sequence[Upgrade]) -> int:
        """Replaces digests that are still of the version said; how many. Raises Unavailable."""
        ...

    async def latest(self, proof: Proven, key_ids: Sequence[str]) -> dict[str, Use]:
        """The last use of each key that was used at all. Raises Unavailable."""
        ...

    async def of_key(self, proof: Proven, key_id: str) -> list[Use]:
        """Who used a key, the latest first; bounded. Raises Unavailable."""
        ...

    async def by_pepper(self, now: float) -> dict[str, tuple[int, int]]:
        """Keys kept, and of those usable, for each version of the pepper. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class TargetState:
    """What may be shown of a target: what waits for it, and what was given up on in the last 30 days."""

    url: str
    since: float
    waiting: int
    given_up: int


class KeySettingsStore(Protocol):
    """What an organisation decided about its keys."""

    async def on_leak(self, proof: Proven) -> OnLeak:
        """REVOKE until something else was said. Raises Unavailable."""
        ...

    async def set_on_leak(self, proof: Proven, organisation: str, action: OnLeak) -> None:
        """Raises Unavailable."""
        ...

    async def target(self, proof: Proven) -> TargetState | None:
        """Where notices go, for people. Raises Unavailable."""
        ...

    async def set_target(self, proof: Proven, organisation: str, target: Target | None) -> None:
        """Keeps it sealed; None takes it away. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """A notice to be sent now; `target` is None when the organisation wants none any more."""

    organisation: str
    notice_id: str
    kind: str
    key_id: str
    body: Mapping[str, Any]
    created_at: float
    attempts: int
    target: Target | None


class Outbox(Protocol):
    """Notices that wait. A notice is delivered at least once: whoever gets it knows it by its id."""

    async def plan(self, now: float) -> int:
        """Writes the notices of what ends soon; how many. Raises Unavailable."""
        ...

    async def claim(self, now: float, lease: float, most: int) -> list[tuple[str, str]]:
        """Takes notices (organisation, id) for one attempt; nobody else gets them while the lease lasts.

        Raises Unavailable.
        """
        ...

    async def open(self, proof: Proven, organisation: str, notice_id: str) -> Due | None:
        """A claimed notice; None when it was settled meanwhile. Raises Unavailable."""
        ...

    async def done(self, proof: Proven, notice_id: str, now: float, *, delivered: bool) -> None:
        """It is delivered, or given up on. Raises Unavailable; it is then sent again."""
        ...

    async def later(self, proof: Proven, notice_id: str, due_at: float) -> None:
        """It is to be tried again. Raises Unavailable; it is then tried when the lease ends."""
        ...


class Sender(Protocol):
    """Brings one notice to its target."""

    async def send(self, target: Target, notice_id: str, sent_at: int, body: bytes) -> bool:
        """True when the target took it. Never raises, never takes longer than a few seconds."""
        ...


class LeakStore(Protocol):
    """What a reported leak changes."""

    async def on_leak(self, proof: Proven) -> OnLeak:
        """What the organisation decided; see `KeySettingsStore`. Raises Unavailable."""
        ...

    async def leaked(self, proof: Proven, key_id: str, action: OnLeak, ends_at: float) -> KeyRecord | None:
        """Marks the key and does what the action says, with a notice, in one transaction.

        None for a key that is unknown or was revoked before. Raises Unavailable.
        """
        ...


class OwnTrail(Protocol):
    """The audit trail of an organisation, for what happens to its keys by other hands than its own."""

    async def put(
        self, organisation: str, code: str, actor: str, facts: Mapping[str, str], *, first: bool = False
    ) -> None:
        """One event; with `first` it must be stored before anything is done. Raises Unavailable("audit")."""
        ...
