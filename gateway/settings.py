"""Settings of the gateway."""

from __future__ import annotations

from pydantic import Field

from services.kit.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """Beyond what every service knows."""

    admit_budget: float = Field(5.0, gt=0, le=60, description="time for a whole Admit when the caller gives none")
    hold_seconds: float = Field(300.0, ge=1, le=3600, description="life of a reservation and its admission")
    default_output_tokens: int = Field(1024, ge=1, le=1_000_000, description="output tokens assumed without estimate")
    release_budget: float = Field(0.5, gt=0, le=10, description="time of its own that giving back a reservation has")
