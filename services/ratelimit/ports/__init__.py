"""What the limiter needs from outside, and how each of them fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from services.ratelimit.policy import Costs, Group, Limit, Mode, Override, Penalties, Penalty, Price, Standing, Unit
from services.ratelimit.policy.descriptors import Draw
from services.ratelimit.policy.edge_verdict import EdgeStanding


class Status(IntEnum):
    """What the store says to a decision."""

    REFUSED = 0
    ALLOWED = 1
    SPENT = 2


class Settled(IntEnum):
    """What became of a reservation."""

    UNKNOWN = 0
    APPLIED = 1
    ALREADY = 2
    EXPIRED = 3


@dataclass(frozen=True, slots=True)
class BoundGroup:
    """The limits of one subject, and which subject it is (several parts, kept apart by the store)."""

    group: Group
    name: tuple[str, ...]


FREE = Price(0, 0)


@dataclass(frozen=True, slots=True)
class Ask:
    """One decision over all limits of one partition, in the brand's zone; without `penalties` none is looked at."""

    partition: str
    groups: tuple[BoundGroup, ...]
    mode: Mode
    costs: Costs
    price: Price = FREE
    workload: str = ""
    request_id: str = ""
    hold_us: int = 0
    zone: str = "UTC"
    penalties: Penalties | None = None
    # The amounts as the caller gave them: our own estimate may differ when the same request comes again.
    asked: tuple[int, ...] = ()

    def need(self, limit: Limit) -> int:
        """How much room a limit must have. A reservation that states no amount still needs some, as an exhausted
        budget must not be entered; what is free by its price needs no money; only a reservation is in flight."""
        if self.mode is not Mode.RESERVE:
            return 0 if limit.unit is Unit.CONCURRENCY else self.costs.of(limit)
        cost = self.costs.of(limit)
        if limit.unit is Unit.MICRO_USD and self.price == FREE:
            return cost
        return max(cost, 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """The store's answer; `expires_us` is the end of a reservation, `penalty` the hardest that stands."""

    status: Status
    standings: tuple[Standing, ...]
    now_us: int
    expires_us: int = 0
    replayed: bool = False
    penalty: Penalty | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """Amounts and, unless the reservation's own price is meant, the price of them."""

    requests: int
    input_tokens: int
    output_tokens: int
    price: Price | None


@dataclass(frozen=True, slots=True)
class Addition:
    """What is added to a reservation, for how much longer it lives, and the id that makes repeating it safe."""

    use: Use
    hold_us: int
    request_id: str = ""
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Which reservation, and who speaks about it. Another workload's looks like an unknown one."""

    organisation: str
    id: str
    workload: str


class UnseededError(Exception):
    """The store has lost the budgets of this partition, or has never had them: nothing was read or changed."""


class LimitStore(Protocol):
    """Counters and holds. Every method is one round trip and all-or-nothing, and raises `Unavailable("redis")` when
    the store does not answer in time: then nothing is known, and a reservation that was made expires by itself."""

    async def decide(self, ask: Ask) -> Answer:
        """Takes, looks or reserves. The same request id is charged once; with other content it is SPENT."""
        ...

    async def commit(self, reservation: Reservation, use: Use) -> tuple[Settled, int]:
        """Settles at what was used, in the windows of the reservation; micro-USD charged. Idempotent."""
        ...

    async def release(self, reservation: Reservation, *, keep_requests: bool) -> Settled:
        """Gives everything back, or everything but the request. Idempotent."""
        ...

    async def extend(self, reservation: Reservation, more: Addition, limits: Sequence[Limit]) -> Answer | None:
        """Adds to a live reservation, or changes nothing; None when there is none. The same request id adds once (the
        last 16 of a reservation are remembered; with another amount it is SPENT); without one, repeating adds again."""
        ...


class Overrides(Protocol):
    """Other amounts for single limits of an organisation, each until a time. Read on every decision, so from memory.

    Never fails: while its source is away the last known stay, each to its own end.
    """

    def of(self, organisation: str, now: float) -> tuple[Override, ...]:
        """What stands at `now` (unix seconds), at most one for a limit; the same object while nothing changes."""
        ...


class DescriptorStore(Protocol):
    """Counters of descriptors."""

    async def take(self, domain: str, draws: Sequence[Draw]) -> tuple[tuple[EdgeStanding, ...], ...]:
        """Takes all draws or none, in one round trip, and says where each stands with each limit. Raises
        `Unavailable("redis")` when the store does not answer; what it did by then is not known."""
        ...


class LocalShare(Protocol):
    """This process's own small share of limits, for a time without a store. Never fails, bounded in memory."""

    def take(self, wanted: Sequence[tuple[tuple[str, ...], Limit, int]]) -> tuple[Standing, ...]:
        """Charges the shares of all these subjects and limits, or of none."""
        ...
