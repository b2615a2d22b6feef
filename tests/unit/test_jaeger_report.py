"""A trace that is not whole is reported as such, whatever Jaeger gives back."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
