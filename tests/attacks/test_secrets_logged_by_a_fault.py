"""A fault that writes cards and tokens into the log and past the allow-list of spans: nothing of it leaves, and it is
on record as an incident that names the service, the kind and the place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub

from embedded.stack import Stack
from services.auth.flows import authenticate
from services.kit import dropped, logs
from services.kit.telemetry.gate import GATE
from services.kit.telemetry.tracing import Tracing, serving
from tests.support.backend import Backend, by_key
from tests.support.otlp import receiver
from tests.support.waiting import eventually

CARD, MAIL, CODE = "4532015112830366", "ada@example.com", "kit.personal_data_dropped"
WANTED = {("api_key", "log"), ("card", "span"), ("email", "span")}


@pytest.fixture
def errors_shown() -> Iterator[None]:
    """Asked for before the capture, so that the log leads to the real stream again when that one is closed."""
    yield
    logs.setup("hauberk", "ERROR")


async def test_nothing_of_it_leaves_and_somebody_is_told(
    target: Stack,
    backend: Backend,
    errors_shown: None,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone_to_tell(target, monkeypatch)
    GATE.take(0.0, last=True)  # what other tests left; and nothing of it is to be quiet about
    monkeypatch.setattr(GATE, "_due", {})
    refused, key = authenticate._refused, f"{target.api_key[:-1]}{'A' if target.api_key[-1] != 'A' else 'B'}"

    def faulty(asked: Any, txn: str, cause: Any) -> Any:
        logs.logger().error("auth.refused_why", credential=key)  # an identifier by its shape: nothing else withholds it
        logs.logger().error("auth.refused_why", said=f"tried {key} of {CARD}")
        return refused(asked, txn, cause)

    monkeypatch.setattr(authenticate, "_refused", faulty)
    logs.setup("hauberk", "ERROR")
    async with receiver() as spans:
        tracing = Tracing.to(spans.endpoint, 1.0)
        with serving(tracing.tracer("shop"), {}, "shop.Pay", {}) as active:
            active.add_event("paid", {"with": CARD})
        with serving(tracing.tracer("shop"), {}, "shop.Mail", {}) as active:
            active.set_attribute("to", MAIL)  # past `put`, which would leave it out
        with serving(tracing.tracer("shop"), {}, "shop.Fine", {}):
            pass
        await backend.admit(by_key(key))
        await asyncio.to_thread(tracing.close)
        assert [span.name for span in spans.spans] == ["shop.Fine"]
        assert CARD.encode() not in spans.raw and MAIL.encode() not in spans.raw
    written = capfd.readouterr()
    assert key not in written.err + written.out and CARD not in written.err + written.out
    assert not any("auth.refused_why" in line for line in written.err.splitlines() if CODE not in line)
    events = await eventually(lambda: on_record(target))
    assert {(event.facts["kind"], event.facts["where"]) for event in events} >= WANTED
    assert all(event.facts["workload"] == "gateway" and event.service == "gateway" for event in events)
    assert CARD not in str(events) and key not in str(events)
    report = await eventually(lambda: incident(target))
    assert report["subject"]["workload"] == "gateway"


def alone_to_tell(target: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks of other tests run in this process, with one gate among them: whoever comes first takes what it holds."""
    tell = dropped.tell

    async def only(trail: Any, *rest: Any, **more: Any) -> None:
        if trail is not None and trail.spool.folder.is_relative_to(target.stores.layout.folder):
            await tell(trail, *rest, **more)

    monkeypatch.setattr(dropped, "tell", only)


async def on_record(target: Stack) -> list[pb.Event]:
    """The events of both kinds, from the platform's chain."""
    stub = AuditServiceStub(target.channel("audit", "operator"))
    answer = await stub.QueryPlatform(pb.QueryPlatformRequest(code=CODE, page_size=200), timeout=5)
    return list(answer.events) if len({event.facts["kind"] for event in answer.events}) >= len(WANTED) else []


async def incident(target: Stack) -> dict[str, Any]:
    """The report of the platform's incident."""
    stub = AuditServiceStub(target.channel("audit", "operator"))
    for brief in (await stub.ListPlatformIncidents(pb.ListPlatformIncidentsRequest(), timeout=5)).incidents:
        if brief.rule == "personal_data_in_logs":
            request = pb.GetPlatformIncidentRequest(incident_id=brief.incident_id)
            return dict(json.loads((await stub.GetPlatformIncident(request, timeout=5)).json))
    return {}
