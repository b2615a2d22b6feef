"""Settings of the audit service."""

from __future__ import annotations

from pydantic import Field

from services.kit.settings import ServiceSettings


class AuditSettings(ServiceSettings):
    """`database_url` is of the role hauberk_audit."""

    audit_verify_page: int = Field(1000, ge=10, le=10_000, description="events that Verify reads at a time")
