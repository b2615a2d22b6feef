"""Settings of the guardrail service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.kit.settings import ServiceSettings

DEFAULT_POLICY = Path(__file__).resolve().parents[2] / "policies" / "guardrail.yaml"
DEFAULT_TOOL_POLICY = DEFAULT_POLICY.with_name("guardrail_tools.yaml")
DEFAULT_MODEL = Path(__file__).resolve().parent / "model"


class GuardrailSettings(ServiceSettings):
    """`database_url` is of the role hauberk_guardrail; peers are redaction and tenancy. Sizes are code points."""

    guardrail_policy: Path = Field(DEFAULT_POLICY, description="rules of input and output, see policies/guardrail.yaml")
    guardrail_tool_policy: Path = Field(
        DEFAULT_TOOL_POLICY, description="what follows from a tool's risk, see policies/guardrail_tools.yaml"
    )
    guardrail_model: Path = Field(DEFAULT_MODEL, description="folder with weights.npz and thresholds.json of the model")
    guardrail_most_characters: int = Field(524_288, ge=1, description="most text of one call; more is refused")
    guardrail_offload_characters: int = Field(16_384, ge=0, description="longer calls are looked at in a thread")
    guardrail_workers: int = Field(2, ge=1, le=64, description="threads for long calls")
    guardrail_waiting: int = Field(32, ge=0, description="long calls that may wait for a thread; more are refused")
    guardrail_most_tools: int = Field(1_000, ge=1, description="most tools of one organisation")
    guardrail_peer_timeout: float = Field(2.0, gt=0, le=10, description="longest wait for tenancy or redaction")
    guardrail_classifier_url: str = Field(
        "",
        pattern=r"^(https://[^\s]{1,500})?$",
        description="a classifier outside that is asked too; empty asks nobody",
    )
    guardrail_classifier_timeout: float = Field(0.5, gt=0, le=5, description="longest wait for it; then the call fails")
