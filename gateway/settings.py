"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.kit.settings import ServiceSettings

DEFAULT_POLICY = Path(__file__).resolve().parents[1] / "policies" / "gateway.yaml"


class GatewaySettings(ServiceSettings):
    """Beyond what every service knows."""

    gateway_policy: Path = Field(DEFAULT_POLICY, description="words for users whose request is refused, YAML")
    admit_budget: float = Field(5.0, gt=0, le=60, description="time for a whole Admit when the caller gives none")
    challenge_budget: float = Field(1.5, gt=0, le=3, description="time that verifying a solved bot challenge may take")
    hold_seconds: float = Field(300.0, ge=1, le=3600, description="life of a reservation and its admission")
    default_output_tokens: int = Field(1024, ge=1, le=1_000_000, description="output tokens assumed without estimate")
    edge_budget: float = Field(0.18, gt=0, le=5, description="time for a decision of a proxy: Envoy waits 200 ms")
    edge_memory: float = Field(
        0.5, ge=0, le=0.5, description="seconds that who was let in at a proxy need not be looked up again; 0 = never"
    )
    api_key_prefix: str = Field("hbk", pattern="^[a-z]{2,8}$", description="of API keys, as auth has it")
    settle_budget: float = Field(1.0, gt=0, le=10, description="time of its own that settling a reservation has")
    signals: frozenset[str] = Field(
        frozenset({"injection", "leak", "tool_refused", "model_extraction"}),
        description="what is reported to the rate limiter as abuse; personal_data can be added",
    )
    complete_budget: float = Field(5.0, gt=0, le=60, description="time for a whole Complete when the caller gives none")
