"""Settings of a process: YAML file, then `HAUBERK_*` variables.

An unknown key is a start-up error, and secrets never print.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import pydantic_settings
import yaml
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "HAUBERK_"
CONFIG_VARIABLE = "HAUBERK_CONFIG"
KEY_VARIABLES = "HAUBERK_KEY_"


class SettingsError(ValueError):
    """Settings that the process will not start with; the text names the key and the rule, never a value."""


class Environment(StrEnum):
    """Production refuses development keys and certificates."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class ServiceSettings(BaseSettings):
    """What every service knows. Addresses are `host:port`, times are seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    environment: Environment = Environment.DEVELOPMENT
    listen: str = Field("127.0.0.1:7443", description="address of the service port (mTLS)")
    ops_listen: str = Field(
        "127.0.0.1:7444", description="address of health and reflection: loopback, or a private one"
    )
    trust_domain: str = Field("hauberk.local", pattern=r"^[a-z0-9.-]{1,128}$")
    tls_cert: Path | None = Field(None, description="certificate chain, PEM")
    tls_key: Path | None = Field(None, description="private key, PEM, readable by its owner only")
    tls_ca: Path | None = Field(None, description="certificates that callers must chain to, PEM")
    key_folder: Path | None = Field(None, description="folder of key files (0600), see `hauberk prepare`")
    database_url: SecretStr = SecretStr("")
    redis_url: SecretStr = SecretStr("")
    otlp_endpoint: str = Field("", description="OTLP over gRPC, e.g. http://jaeger:4317; empty = no traces leave")
    trace_ratio: float = Field(1.0, ge=0, le=1, description="share of allowed requests whose trace is exported")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    deadline_limit: float = Field(10.0, gt=0, le=300, description="longest time that one call may take")
    stream_limit: float = Field(900.0, gt=0, le=3600, description="longest time that one stream may take")
    drain: float = Field(5.0, ge=0, le=300, description="time that calls in flight get at the end")
    store_timeout: float = Field(0.5, gt=0, le=10, description="longest wait for Redis or PostgreSQL")
    audit_spool: Path | None = Field(None, description="folder where audit events wait; none = nothing is recorded")
    peers: dict[str, str] = Field(default_factory=dict, description="address of each peer, e.g. auth: auth:7443")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Made by code, settings are their arguments alone; `load` reads file and variables."""
        return (init_settings,)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Reads file and variables; raises SettingsError naming each wrong key."""
        environ = os.environ if environ is None else environ
        cls._refuse_unknown(environ)
        try:
            variables = EnvSettingsSource(cls)
            variables.env_vars = {name.lower(): value for name, value in environ.items()}
            return cls(**_merged(cls._file(environ.get(CONFIG_VARIABLE, "")), variables()))
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
            raise SettingsError("; ".join(lines)) from None
        except pydantic_settings.SettingsError as error:  # a variable that should be JSON; names the field, no value
            raise SettingsError(str(error)) from None

    @classmethod
    def _refuse_unknown(cls, environ: Mapping[str, str]) -> None:
        known = {f"{PREFIX}{name}".upper() for name in cls.model_fields} | {CONFIG_VARIABLE}
        for name in environ:
            if not name.upper().startswith(PREFIX) or name.startswith(KEY_VARIABLES):
                continue
            if name.split("__")[0].upper() not in known:
                raise SettingsError(f"{name}: unknown setting; known are {', '.join(sorted(known))}")

    @staticmethod
    def _file(path: str) -> dict[str, Any]:
        if not path:
            return {}
        try:
            data = yaml.safe_load(Path(path).read_text())
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(f"{CONFIG_VARIABLE}: {path} cannot be read ({type(error).__name__})") from None
        if data is None:
            return {}
        if not isinstance(data, dict):
            raise SettingsError(f"{CONFIG_VARIABLE}: {path} is not a mapping of settings")
        return data


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` wins, key by key also inside mappings."""
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        merged[key] = _merged(lower, value) if isinstance(lower, dict) and isinstance(value, dict) else value
    return merged
