"""No setting and no option takes a boundary away: every field of every settings class is tried, and read by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from embedded import assembly
from embedded.stack import Stack, StackOptions
from gateway.stages import CHAINS
from services.kit.call import LayeredInterceptor
from services.kit.server import App, interceptor_of
from services.kit.settings import ServiceSettings

LAYERS = ("boundary", "audit", "deadline", "telemetry", "identity", "validation", "intent")
ALWAYS = tuple(name for name in LAYERS if name not in {"audit", "intent"})
# Words by which a switch would give itself away.
SWITCHES = {"disable", "enable", "disabled", "enabled", "skip", "bypass", "insecure", "unsafe", "no", "without", "off"}
OPTIONS = {
    "gateway_port",
    "ops_port",
    "edge_port",
    "spans",
    "otlp_endpoint",
    "trace_ratio",
    "seed",
    "log_level",
    "issuers",
}


def names(interceptor: LayeredInterceptor) -> tuple[str, ...]:
    return tuple(layer.name for layer in interceptor._layers)


async def test_every_service_of_a_running_stack_has_every_layer(stack: Stack) -> None:
    assert set(stack._servers) == set(assembly.BUILDERS)
    for name, server in stack._servers.items():
        assert server.interceptor is not None
        assert names(server.interceptor) == LAYERS, name


@pytest.mark.parametrize("name", assembly.TYPES)
def test_no_value_of_any_setting_takes_a_layer_away(name: str) -> None:
    kind = assembly.TYPES[name]
    plain = kind.model_validate({})
    for field in kind.model_fields:
        for value in tried(plain, field):
            try:
                settings = kind.model_validate({field: value})
            except ValidationError:
                continue
            made = interceptor_of(App(name, []), settings, None)
            assert names(made) == ALWAYS, f"{name}.{field} = {value!r}"
        assert not SWITCHES & set(field.split("_")), f"{name}.{field} reads like a switch"


def tried(plain: ServiceSettings, field: str) -> list[Any]:
    """Everything a careless operator could put there."""
    own = getattr(plain, field)
    return [
        own,
        None,
        False,
        True,
        0,
        1,
        -1,
        0.0,
        10_000,
        "",
        "off",
        "none",
        "disabled",
        [],
        {},
        "production",
        Path("x"),
    ]


@pytest.mark.parametrize("name", assembly.TYPES)
def test_no_setting_is_a_yes_or_no_about_a_check(name: str) -> None:
    flags = {field for field, info in assembly.TYPES[name].model_fields.items() if info.annotation is bool}
    assert flags == set()


def test_an_unknown_setting_is_an_error() -> None:
    for kind in assembly.TYPES.values():
        for field in ("disable_validation", "layers", "stages", "enforce"):
            with pytest.raises(ValidationError):
                kind.model_validate({field: False})


def test_the_stacks_options_are_these_and_none_is_a_switch() -> None:
    assert {field.name for field in dataclasses.fields(StackOptions)} == OPTIONS


def test_no_stage_can_be_left_out_of_a_chain() -> None:
    assert [stage.name for stage in CHAINS["Admit"]] == [
        "address", "auth", "tenancy", "ratelimit", "guardrail", "redaction", "context", "admission",
    ]  # fmt: skip
    for kind in assembly.TYPES.values():
        assert not any("stage" in field or "chain" in field for field in kind.model_fields)
