"""What a limit is and what a decision looks like. Pure data: no clock, no store, no wire format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Unit(StrEnum):
    """What a limit counts; amounts are always integers."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    MICRO_USD = "micro_usd"


class Subject(StrEnum):
    """Whom a limit counts for."""

    ADDRESS = "address"
    API_KEY = "api_key"
    USER_BRAND = "user_brand"
    ORGANISATION = "organisation"


class Algorithm(StrEnum):
    """How a limit counts."""

    GCRA = "gcra"
    SLIDING = "sliding"
    CALENDAR = "calendar"


class Calendar(StrEnum):
    """Windows that begin when people expect it, at midnight UTC."""

    DAY = "day"
    MONTH = "month"


class OnStoreError(StrEnum):
    """What a limit answers while its store is away."""

    CLOSED = "closed"
    OPEN = "open"
    DEGRADE = "degrade"


class OnExpiry(StrEnum):
    """What becomes of a charge whose reservation nobody settled."""

    REFUND = "refund"
    CHARGE = "charge"


class OnExceed(StrEnum):
    """How a limit says no."""

    THROTTLE = "throttle"
    CHALLENGE = "challenge"


class Mode(IntEnum):
    """How a decision changes the counters; there is no zero."""

    TAKE = 1
    PEEK = 2
    RESERVE = 3


class Outcome(StrEnum):
    """What was decided."""

    DENY = "deny"
    ALLOW = "allow"
    CHALLENGE = "challenge"
    THROTTLE = "throttle"


class Reason(StrEnum):
    """Why."""

    NONE = "none"
    RATE_LIMITED = "rate_limited"
    BUDGET_EXHAUSTED = "budget_exhausted"
    NEVER_FITS = "never_fits"
    ADDRESS_OVER_LIMIT = "address_over_limit"
    UNKNOWN_MODEL = "unknown_model"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit with the numbers of one plan filled in.

    `limit` per window is what is promised. `capacity` is the most that fits at once: the burst of a GCRA, else the
    limit itself. `window_seconds` is 0 for a calendar limit.
    """

    id: str
    subject: Subject
    unit: Unit
    algorithm: Algorithm
    limit: int
    capacity: int
    window_seconds: int
    calendar: Calendar | None
    on_exceed: OnExceed
    on_store_error: OnStoreError
    on_expiry: OnExpiry
    observe: bool

    @property
    def interval_us(self) -> int:
        """Microseconds per unit at the steady rate, rounded up so that the limit is never exceeded."""
        return -(-self.window_seconds * 1_000_000 // self.limit)

    @property
    def state_ms(self) -> int:
        """How long the state of this limit can matter after it was last written."""
        if self.calendar is not None:
            return (3 if self.calendar is Calendar.DAY else 63) * 86_400_000
        if self.algorithm is Algorithm.GCRA:
            return self.capacity * self.interval_us // 1000 + 60_000
        return self.window_seconds * 2_000 + 60_000


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """All limits of one subject: they share one key in the store. Compared by identity, as it is a key of caches."""

    subject: Subject
    limits: tuple[Limit, ...]

    @property
    def state_ms(self) -> int:
        """The longest life among the limits of this subject."""
        return max(limit.state_ms for limit in self.limits)


@dataclass(frozen=True, slots=True)
class Identity:
    """The proven caller, as far as limits are concerned."""

    organisation: str
    plan: str
    credential_id: str
    user: str
    brand: str


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-USD per million tokens."""

    input: int
    output: int


@dataclass(frozen=True, slots=True)
class Costs:
    """What one request takes from the limits of each unit."""

    requests: int
    tokens: int
    micro_usd: int

    def of(self, unit: Unit) -> int:
        """The amount in one unit."""
        if unit is Unit.REQUESTS:
            return self.requests
        return self.tokens if unit is Unit.TOKENS else self.micro_usd


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the caller stands with one limit."""

    limit: Limit
    fits: bool
    never: bool
    remaining: int
    wait_us: int
    reset_us: int
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request. `retry_after_us` is None when it fits, or never will."""

    outcome: Outcome
    reason: Reason
    standings: tuple[Standing, ...] = ()
    retry_after_us: int | None = None
    now_us: int = 0
    expires_us: int = 0
    replayed: bool = False
    micro_usd: int = 0

    @property
    def degraded(self) -> bool:
        """True when a fallback answered for some limit."""
        return any(s.degraded for s in self.standings)
