"""The words that limits and decisions are described in."""

from __future__ import annotations

from enum import IntEnum, StrEnum


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
