"""Settings of the rate-limit service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.kit.settings import ServiceSettings

DEFAULT_POLICY = Path(__file__).resolve().parents[2] / "policies" / "ratelimit.yaml"


class RateLimitSettings(ServiceSettings):
    """What this service knows beyond every other: where its policy is. `redis_url` is required."""

    ratelimit_policy: Path = Field(DEFAULT_POLICY, description="limits, budgets and prices, YAML")
