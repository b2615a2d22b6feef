"""The sections `challenge` and `edge` of policies/auth.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from services.auth.policy.challenges import AskRules
from services.auth.policy.edge_headers import HeaderRules

_STRICT = ConfigDict(extra="forbid", frozen=True)
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]


def _between(least: int, most: int) -> object:
    return Field(ge=least, le=most, strict=True)


class ChallengeRules(BaseModel):
    """When a bot challenge is asked for, and how long its provider may take."""

    model_config = _STRICT

    failures: Annotated[int, _between(1, 10_000)] = 20
    failures_window_seconds: Annotated[int, _between(1, 86_400)] = 600
    anonymous_risk: Annotated[int, _between(0, 101)] = 50
    per_address_minute: Annotated[int, _between(1, 1_000)] = 30
    total_ms: Annotated[int, _between(100, 3_000)] = 3_000
    attempt_ms: Annotated[int, _between(50, 3_000)] = 1_000
    attempts: Annotated[int, _between(1, 3)] = 3
    breaker_failures: Annotated[int, _between(1, 1_000)] = 5
    breaker_open_seconds: Annotated[int, _between(1, 600)] = 10

    def asking(self) -> AskRules:
        """When it is asked for."""
        return AskRules(self.failures, self.anonymous_risk)


class EdgePolicy(BaseModel):
    """What is the same for the pages of every brand."""

    model_config = _STRICT

    memory_seconds: Annotated[int, _between(0, 60)] = 5
    hsts_seconds: Annotated[int, _between(31_536_000, 630_720_000)] = 63_072_000
    max_age_cap_seconds: Annotated[int, _between(0, 86_400)] = 7_200
    referrer_policy: Annotated[
        str, Field(pattern="^(no-referrer|same-origin|strict-origin|strict-origin-when-cross-origin)$")
    ] = "strict-origin-when-cross-origin"
    permissions_denied: Annotated[tuple[Word, ...], Field(max_length=40)] = (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )

    def headers(self) -> HeaderRules:
        """As the decision takes them."""
        return HeaderRules(self.hsts_seconds, self.max_age_cap_seconds, self.referrer_policy, self.permissions_denied)
