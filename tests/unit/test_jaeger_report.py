"""A trace that is not whole is reported as such, whatever Jaeger gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tools import jaeger, jaeger_trace
from tools.jaeger_server import Span
from tools.jaeger_trace import reported

ROOT = Span("envoy", "ingress", "1", "")
CHILD = Span("gateway", "hauberk.gateway.v1.GatewayService/Admit", "2", "1")
INNER = Span("gateway", "stage auth", "3", "2")
WHOLE = [ROOT, CHILD, INNER]


def faults(spans: list[Span], expected: set[str] | None = None) -> list[str]:
    return reported("embedded", "t", spans, expected or {"envoy", "gateway"}).faults


def test_a_whole_trace_names_what_each_service_served() -> None:
    report = reported("embedded", "t", WHOLE, {"envoy", "gateway"})
    assert report.faults == []
    assert report.operations == {"envoy": ["ingress"], "gateway": [CHILD.name]}
    assert report.spans == 3


@pytest.mark.parametrize(
    "spans",
    [
        [ROOT],
        [CHILD, INNER],
        [ROOT, INNER, replace(CHILD, span_id="9")],
        [*WHOLE, replace(ROOT, span_id="4")],
        [*WHOLE, replace(CHILD, span_id="5", service="stranger")],
        [],
    ],
    ids=["a service is missing", "no root", "a parent is missing", "two roots", "a stranger", "nothing"],
)
def test_what_is_missing_or_torn_is_said(spans: list[Span]) -> None:
    assert faults(spans)


@pytest.mark.parametrize("command", [jaeger.main, jaeger_trace.main], ids=["make it", "look into it"])
def test_without_a_jaeger_the_container_is_named(
    command: Callable[[], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HAUBERK_JAEGER", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["x"])
    assert command() == 1
    assert f"jaegertracing/jaeger:{jaeger.IMAGE_VERSION}" in capsys.readouterr().err
