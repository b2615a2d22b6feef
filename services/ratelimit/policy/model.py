"""What a limit is and what a decision looks like. Pure data: no clock, no store, no wire format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from services.kit.caller import KeyLimit
from services.ratelimit.policy.terms import (
    Algorithm,
    Calendar,
    Level,
    Mode,
    OnExceed,
    OnExpiry,
    OnStoreError,
    Outcome,
    Reason,
    Subject,
    Unit,
    Zone,
)

__all__ = [
    "Algorithm",
    "Calendar",
    "Costs",
    "Decision",
    "Group",
    "Identity",
    "Level",
    "Limit",
    "Mode",
    "OnExceed",
    "OnExpiry",
    "OnStoreError",
    "Outcome",
    "Override",
    "Penalties",
    "Penalty",
    "Price",
    "Reason",
    "Standing",
    "Step",
    "Subject",
    "Unit",
    "Zone",
]

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

    def using(self, tool: str, model: str) -> Identity:
        """The same caller, with what this request is for."""
        who = (self.organisation, self.plan, self.credential_id, self.user, self.brand, self.limits)
        return Identity(*who, self.zone, self.account_created, tool, model)


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


class Standing(NamedTuple):
    """Where the caller stands with one limit. `clamped`: less was reserved than asked, so more needs an extension.

    (A tuple: there is one for each limit of each request, and a frozen dataclass takes four times as long to make.)
    """

    limit: Limit
    fits: bool
    never: bool
    remaining: int
    wait_us: int
    reset_us: int
    degraded: bool = False
    clamped: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """From which score a level stands (millionths), and for how long."""

    score: int
    lasts_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Penalties:
    """How abuse is counted against a subject. Scores are millionths of the most that there can be.

    `strike` is what a refusal by the subject's own rate adds. `steps` are warn, slow, limit and suspend. While slowed
    or limited a request counts `slow_weight` or `limit_weight` times. Each suspension is twice as long as the one
    before, up to `longest_ms`; one is forgotten for every `forgiven_ms` without.
    """

    half_life_ms: int
    strike: int
    enforced: bool
    longest_ms: int
    forgiven_ms: int
    slow_weight: int
    limit_weight: int
    steps: tuple[Step, Step, Step, Step]

    @property
    def state_ms(self) -> int:
        """How long the state can matter after it was last written."""
        return max(21 * self.half_life_ms, self.longest_ms + 8 * self.forgiven_ms)


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
