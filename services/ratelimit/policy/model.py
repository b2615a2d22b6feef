"""What a limit is and what a decision looks like. Pure data: no clock, no store, no wire format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from services.kit.caller import KeyLimit


class Unit(StrEnum):
    """What a limit counts; amounts are always integers."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    MICRO_USD = "micro_usd"
    CONCURRENCY = "concurrency"


class Subject(StrEnum):
    """Whom a limit counts for."""

    ADDRESS = "address"
    API_KEY = "api_key"
    USER_BRAND = "user_brand"
    BRAND = "brand"
    ORGANISATION = "organisation"
    TOOL = "tool"
    MODEL = "model"


class Algorithm(StrEnum):
    """How a limit counts."""

    GCRA = "gcra"
    SLIDING = "sliding"
    CALENDAR = "calendar"
    LIVE = "live"  # what is in flight now: counted from live reservations, no window


class Calendar(StrEnum):
    """Windows that begin when people expect it, at midnight; a week on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Zone(StrEnum):
    """Whose midnight: UTC's, or that of the brand's zone."""

    UTC = "utc"
    BRAND = "brand"


class Level(IntEnum):
    """How hard a penalty is; each includes the ones before."""

    NONE = 0
    WARN = 1
    SLOW = 2
    LIMIT = 3
    SUSPEND = 4


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
    PENALISED = "penalised"


_CALENDAR_DAYS = {Calendar.DAY: 3, Calendar.WEEK: 16, Calendar.MONTH: 64}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit with the numbers of one plan filled in.

    `limit` per window is what is promised. `capacity` is the most that fits at once: the burst of a GCRA, else the
    limit itself. `window_seconds` is 0 for a calendar limit and for one of what is in flight. `exact` reserves the
    most that a request may use, not its estimate. `hold_permille` is the part of the limit that one reservation may
    hold. `trusted` is the amount, if it is larger, while the subject's abuse score is below `trusted_below`
    (millionths).
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
    zone: Zone = Zone.UTC
    exact: bool = False
    hold_permille: int = 1000
    trusted: int = 0
    trusted_below: int = 0

    @property
    def interval_us(self) -> int:
        """Microseconds per unit at the steady rate, rounded up so that the limit is never exceeded."""
        return -(-self.window_seconds * 1_000_000 // self.limit)

    @property
    def state_ms(self) -> int:
        """How long the state of this limit can matter after it was last written."""
        if self.algorithm is Algorithm.LIVE:
            return 60_000
        if self.calendar is not None:
            # Two windows, and what a shift of the zone may add.
            return _CALENDAR_DAYS[self.calendar] * 86_400_000
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
    """The proven caller, as far as limits are concerned; `limits` are those of the API key itself. `tool` and `model`
    are what this request is for, empty when it names none."""

    organisation: str
    plan: str
    credential_id: str
    user: str
    brand: str
    limits: tuple[KeyLimit, ...] = ()
    zone: str = "UTC"
    account_created: int = 0
    tool: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """Another amount for one limit of one organisation, until `expires_at` (unix seconds)."""

    limit_id: str
    amount: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-USD per million tokens."""

    input: int
    output: int


@dataclass(frozen=True, slots=True)
class Costs:
    """What one request takes from the limits of each unit. `most_*` is what an `exact` limit reserves: never less than
    the estimate beside it. In flight is always one request."""

    requests: int
    tokens: int
    micro_usd: int
    most_tokens: int = 0
    most_micro_usd: int = 0

    def of(self, limit: Limit) -> int:
        """The amount that one limit is asked for."""
        match limit.unit:
            case Unit.REQUESTS:
                return self.requests
            case Unit.TOKENS:
                return max(self.tokens, self.most_tokens) if limit.exact else self.tokens
            case Unit.MICRO_USD:
                return max(self.micro_usd, self.most_micro_usd) if limit.exact else self.micro_usd
            case Unit.CONCURRENCY:
                return 1


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the caller stands with one limit. `clamped`: less was reserved than asked, so more needs an extension."""

    limit: Limit
    fits: bool
    never: bool
    remaining: int
    wait_us: int
    reset_us: int
    degraded: bool = False
    clamped: bool = False


@dataclass(frozen=True, slots=True)
class Penalty:
    """The hardest penalty that stands against a subject of this request: which subject, how hard, until when."""

    subject: Subject
    level: Level
    until_us: int
    score: int = 0  # millionths


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
    penalty: Penalty | None = None

    @property
    def degraded(self) -> bool:
        """True when a fallback answered for some limit."""
        return any(s.degraded for s in self.standings)
