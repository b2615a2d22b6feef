"""The services that can run as processes: their settings and how each is started."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from services.kit.settings import PREFIX, ServiceSettings

EDGE = "edge"
EDGE_WORKLOAD = "backend/edge"
NAMES = ("gateway", "auth", "tenancy", "ratelimit", "redaction", "guardrail", "context-token", "audit")
RUNNABLE = (*NAMES, EDGE)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as it is explained."""

    key: str
    variable: str
    default: str
    words: str


def _package(name: str) -> str:
    if name == EDGE:
        return "gateway.http"
    return "gateway" if name == "gateway" else f"services.{name.replace('-', '_')}"


def settings_type(name: str) -> type[ServiceSettings]:
    """The service's own settings class."""
    module = importlib.import_module(f"{_package(name)}.settings")
    for _, member in inspect.getmembers(module, inspect.isclass):
        if issubclass(member, ServiceSettings) and member.__module__ == module.__name__:
            return member
    return ServiceSettings


def start(name: str) -> int:
    """Serves until told to stop; the exit status."""
    from services.kit.run import main

    if name == EDGE:  # no gRPC service, so it runs in its own way
        from gateway.http.bootstrap import main as serve_edge

        return serve_edge()
    build: Callable[..., Any] = importlib.import_module(f"{_package(name)}.bootstrap").build
    return main(settings_type(name), build)


def settings_rows(name: str) -> Iterator[SettingRow]:
    """Every setting with its default and description; secrets show no value."""
    for key, field in settings_type(name).model_fields.items():
        default = field.get_default(call_default_factory=True)
        words = field.description or ""
        yield SettingRow(key, f"{PREFIX}{key}".upper(), _shown(default), words)


def _shown(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, SecretStr) or value is None or value in ("", {}):
        return "-"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)
