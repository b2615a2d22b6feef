"""Settings of the rate-limit service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.kit.settings import ServiceSettings

DEFAULT_POLICY = Path(__file__).resolve().parents[2] / "policies" / "ratelimit.yaml"


class RateLimitSettings(ServiceSettings):
    """What this service knows beyond every other: where its policy is. `redis_url` is required."""

    ratelimit_policy: Path = Field(DEFAULT_POLICY, description="limits, budgets and prices, YAML")
    envoy_deadline: float = Field(0.02, gt=0, le=5, description="seconds within which Envoy is answered, or refused")
    ledger_entries: int = Field(
        50_000,
        ge=0,
        le=1_000_000,
        description="most charges of one organisation that wait for PostgreSQL; 0: no ledger",
    )
    # A stream of entries lives 70 days: what comes twice must still meet the row of the first time.
    ledger_days: int = Field(75, ge=71, le=3660, description="days that the ledger keeps each request")
    used_days: int = Field(400, ge=90, le=36_600, description="days that the ledger keeps the sum of each window")
