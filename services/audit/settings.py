"""Settings of the audit service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.kit.settings import ServiceSettings

RESPONSE_POLICY = Path(__file__).resolve().parents[2] / "policies" / "response.yaml"


class S3Settings(BaseModel):
    """An S3-shaped object store."""

    model_config = ConfigDict(extra="forbid")

    endpoint: str = Field(pattern=r"^https?://[^/]+$")
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,62}$")
    region: str = "us-east-1"
    prefix: str = "hauberk"
    access_key: str
    secret_key: SecretStr


class AuditSettings(ServiceSettings):
    """`database_url` is of the role hauberk_audit, `sealer_database_url` of hauberk_audit_sealer."""

    sealer_database_url: SecretStr = SecretStr("")
    audit_verify_page: int = Field(1000, ge=10, le=10_000, description="events that Verify reads at a time")
    audit_verify_most: int = Field(
        100_000, ge=10, description="events that one call of Verify walks; then a page token"
    )
    audit_seal_seconds: float = Field(0.2, gt=0, le=10, description="how long events gather before they are sealed")
    audit_seal_batch: int = Field(500, ge=1, le=5000, description="events of one chain sealed in one transaction")
    audit_checkpoint_seconds: float = Field(60.0, gt=0, description="longest time that a chain grows unsigned")
    audit_checkpoint_events: int = Field(10_000, ge=1, description="most events between two checkpoints")
    audit_anchor_folder: Path | None = Field(None, description="folder outside of the database for checkpoints")
    audit_anchor_s3: S3Settings | None = Field(None, description="object store for checkpoints: endpoint, bucket, ...")
    response_policy: Path = Field(RESPONSE_POLICY, description="rules and playbooks, see policies/response.yaml")
    response_webhook: str = Field("", description="address that is told of incidents; empty = nobody")
    response_webhook_secret: SecretStr = Field(SecretStr(""), description="what notices are signed with")
    response_webhook_reach: Literal["public", "loopback"] = Field("public", description="loopback: for development")
    response_traces: str = Field("", description="address that a trace id is put behind, for the links of reports")
    audit_anchor_webhook: str = Field("", description="address that each checkpoint is posted to; empty = none")
