"""Settings of the tenancy service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.kit.settings import ServiceSettings

_POLICIES = Path(__file__).resolve().parents[2] / "policies" / "tenancy"


class TenancySettings(ServiceSettings):
    """`database_url` is of the role hauberk_tenancy."""

    tenancy_policies: Path = Field(_POLICIES, description="folder with schema.cedarschema and *.cedar")
    tenancy_plans: tuple[str, ...] = Field(
        ("free", "pro", "enterprise"), min_length=1, description="plans to choose from"
    )
    tenancy_cache_seconds: float = Field(2.0, ge=0, le=2, description="how old the facts of a decision may be")
    tenancy_resource_owners: dict[str, str] = Field(
        default_factory=dict, description="resource types that a backend of yours keeps, each with the peer to ask"
    )
    tenancy_owner_timeout: float = Field(0.3, gt=0, le=5, description="longest wait for such a backend; then: refused")
    tenancy_knowledge_timeout: float = Field(3.0, gt=0, le=10, description="longest wait for one statement of a search")
