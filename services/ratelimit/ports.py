"""What the limiter needs from outside, and how each of them fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from services.ratelimit.policy import Costs, Group, Limit, Mode, Price, Standing, Unit


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
    """One decision over all limits of one partition."""

    partition: str
    groups: tuple[BoundGroup, ...]
    mode: Mode
    costs: Costs
    price: Price = FREE
    workload: str = ""
    request_id: str = ""
    hold_us: int = 0

    def need(self, unit: Unit) -> int:
        """How much room a limit of this unit must have. A reservation that states no amount still needs some, as an
        exhausted budget must not be entered; what is free by its price needs no money."""
        cost = self.costs.of(unit)
        if self.mode is not Mode.RESERVE or (unit is Unit.MICRO_USD and self.price == FREE):
            return cost
        return max(cost, 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """The store's answer; `expires_us` is the end of a reservation."""

    status: Status
    standings: tuple[Standing, ...]
    now_us: int
    expires_us: int = 0
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """Amounts and, unless the reservation's own price is meant, the price of them."""

    requests: int
    input_tokens: int
    output_tokens: int
    price: Price | None


@dataclass(frozen=True, slots=True)
class Reservation:
    """Which reservation, and who speaks about it. Another workload's looks like an unknown one."""

    organisation: str
    id: str
    workload: str


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

    async def extend(self, reservation: Reservation, use: Use, hold_us: int, limits: Sequence[Limit]) -> Answer | None:
        """Adds to a live reservation, or changes nothing; None when there is none. Repeating it adds again (it is
        settled at the real use in the end)."""
        ...


class LocalShare(Protocol):
    """This process's own small share of limits, for a time without a store. Never fails, bounded in memory."""

    def take(self, wanted: Sequence[tuple[tuple[str, ...], Limit, int]]) -> tuple[Standing, ...]:
        """Charges the shares of all these subjects and limits, or of none."""
        ...
