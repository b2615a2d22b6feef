"""Settings of the redaction service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.kit.settings import ServiceSettings

DEFAULT_POLICY = Path(__file__).resolve().parents[2] / "policies" / "redaction.yaml"


class RedactionSettings(ServiceSettings):
    """Times are seconds, sizes are characters (code points)."""

    redaction_policy: Path = Field(DEFAULT_POLICY, description="what is personal data, see policies/redaction.yaml")
    redaction_mapping_seconds: int = Field(300, ge=1, le=3600, description="how long values can be restored")
    redaction_number_seconds: int = Field(86_400, ge=3600, description="how long a placeholder's number is not reused")
    redaction_most_characters: int = Field(524_288, ge=1, description="most text of one call; more is refused")
    redaction_most_values: int = Field(10_000, ge=1, description="most distinct values of one conversation")
    redaction_offload_characters: int = Field(8_192, ge=0, description="longer calls are searched in a thread")
    redaction_workers: int = Field(2, ge=1, le=64, description="threads for long calls")
    redaction_waiting: int = Field(32, ge=0, description="long calls that may wait for a thread; more are refused")
    redaction_recognizer_timeout: float = Field(2.0, gt=0, le=30, description="longest search; longer is refused")
    redaction_recognizers: Path | None = Field(None, description="registry of recognizers (Presidio's YAML), else all")
    redaction_patterns: Path | None = Field(None, description="folder of pattern databases made by hauberk prepare")
    redaction_own_seconds: float = Field(2.0, ge=0.1, le=60, description="how old an organisation's own rules may be")
    redaction_most_recognizers: int = Field(32, ge=0, le=64, description="most recognizers of one organisation")
    redaction_peer_timeout: float = Field(2.0, gt=0, le=10, description="longest wait for tenancy")
    redaction_names_model: str = Field("own", description="names and places: own, a package of spaCy, or none")
    redaction_names_workers: int = Field(2, ge=1, le=32, description="processes that look for names")
    redaction_names_waiting: int = Field(64, ge=0, description="calls that may wait for one; more are late at once")
    redaction_names_timeout: float = Field(1.0, gt=0, le=30, description="late after this, by begun 50 000 characters")
