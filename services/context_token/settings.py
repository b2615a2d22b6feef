"""Settings of the context-token service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from services.kit.settings import ServiceSettings

Scope = Annotated[str, StringConstraints(pattern=r"^[a-z]+([._][a-z]+)*$", max_length=64)]


class ContextTokenSettings(ServiceSettings):
    """Times are seconds."""

    context_token_seconds: int = Field(900, ge=1, le=900, description="longest life of a context token")
    context_token_scopes: tuple[Scope, ...] = Field(
        ("chat", "decisions.explain"), max_length=64, description="the most that a context token can carry"
    )
    context_token_live: int = Field(50, ge=1, le=10_000, description="most live tokens of one user")
    context_token_retry_seconds: int = Field(
        30, ge=1, le=300, description="how long whoever used a single-use token may ask again"
    )
