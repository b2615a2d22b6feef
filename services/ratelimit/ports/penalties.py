"""What penalties and grants need from outside, and how each of them fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.ratelimit.policy.model import Override, Penalties
from services.ratelimit.policy.penalties import Burst, Culprit, Held


@dataclass(frozen=True, slots=True)
class Accused:
    """One subject in the store: its partition, its name there, and what kind of culprit it is; None when it is one that
    many share, which has counters and is never penalised."""

    culprit: Culprit | None
    partition: str
    name: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter as it was before it was set to zero: of a window what it had counted, of a steady rate when it would
    have been whole again."""

    limit_id: str
    used: int = 0
    whole_in_ms: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """One report of abuse. `weight` in millionths."""

    kind: str
    weight: int
    event: str


class TooManyOpenError(Exception):
    """So many reservations of the partition are open that looking through them would hold everybody up."""


class PenaltyStore(Protocol):
    """What is held against subjects. Each method is one round trip for one partition and raises `Unavailable("redis")`
    when the store does not answer in time: then it is not known whether the report was counted; its event id makes it
    safe to report again."""

    async def signal(self, accused: Sequence[Accused], report: Report, rules: Penalties) -> tuple[list[Held], bool]:
        """Counts a report against each; what is held now, and whether this event had been counted before."""
        ...

    async def query(
        self, accused: Accused, sketch: bytes, burst: Burst, report: Report, rules: Penalties
    ) -> tuple[int, bool]:
        """Remembers a sketch; how many of the last ones are nearly the same, and whether that was a burst."""
        ...

    async def held(self, accused: Sequence[Accused], rules: Penalties) -> list[Held]:
        """What is held against each."""
        ...

    async def clear(
        self, accused: Accused, rules: Penalties | None, limits: Sequence[str], *, wipe: bool, budget: bool = False
    ) -> tuple[Held, list[Counter]]:
        """Sets counters of these limits to zero, but for what open reservations hold; with `wipe` also forgets what is
        held. Gives both as they were. Raises `UnseededError` for a `budget` whose store must be seeded first, and
        `TooManyOpenError`: then nothing was done."""
        ...


class Grants(Protocol):
    """Other amounts for limits, by an operator, kept durably. Raises `Unavailable("postgres")`: nothing changed."""

    async def grant(self, organisation: str, override: Override, operator: str) -> None:
        """Takes the place of an earlier grant for the same limit; in force here at once."""
        ...


class OwnTrail(Protocol):
    """The audit trail of the organisation that an operator's act is about. Raises `Unavailable("audit")`: then nothing
    is done."""

    async def put(self, organisation: str, code: str, actor: str, facts: Mapping[str, str]) -> None:
        """On record before it is done."""
        ...
