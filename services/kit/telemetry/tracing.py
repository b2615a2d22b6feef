"""Spans: the process's provider, internal spans, and the server layer.

A denial is not an ERROR: its outcome is an attribute. Exception texts are never recorded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from services.kit.call import Call, Proceed
from services.kit.errors import KitError
from services.kit.telemetry.attributes import Attr, Plain, put
from services.kit.telemetry.keeping import KeepDenials

ALLOWED = "ALLOW"


def tracer() -> trace.Tracer:
    """Ours, from whatever provider is set."""
    return trace.get_tracer("hauberk")


def setup(
    service: str, *, endpoint: str = "", ratio: float = 1.0, exporter: SpanExporter | None = None
) -> TracerProvider | None:
    """Sends spans to `endpoint` (OTLP over gRPC) or to `exporter`; with neither, nothing is recorded."""
    if exporter is None:
        if not endpoint:
            return None
        exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(KeepDenials(BatchSpanProcessor(exporter, schedule_delay_millis=500), ratio))
    trace.set_tracer_provider(provider)
    return provider


@contextmanager
def span(
    name: str, attributes: Mapping[Attr, Plain] | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[Span]:
    """A span around one step; an exception marks it as an error by class name only."""
    with tracer().start_as_current_span(
        name, kind=kind, record_exception=False, set_status_on_exception=False
    ) as active:
        if attributes:
            put(active, attributes)
        try:
            yield active
        except Exception as error:
            failed(active, error)
            raise


def failed(active: Span, error: Exception) -> None:
    """Marks a span as failed: reason or class name, never the text."""
    put(active, {Attr.ERROR_TYPE: error.reason if isinstance(error, KitError) else type(error).__name__})
    active.set_status(Status(StatusCode.ERROR))


class Telemetry:
    """The server span of every call, with its outcome, and its duration as a metric."""

    name = "telemetry"
    after: tuple[str, ...] = ("boundary",)

    def __init__(self, service: str) -> None:
        self._service = service
        self._duration = metrics.get_meter("hauberk").create_histogram(
            "rpc.server.call.duration", unit="s", description="Duration of served calls"
        )

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        """Joins the caller's trace."""
        started = time.perf_counter()
        method = call.method.lstrip("/")
        carrier = {k: v for k, v in call.context.invocation_metadata() or () if k in {"traceparent", "tracestate"}}
        token = otel_context.attach(extract(carrier) if carrier else otel_context.Context())
        code = "OK"
        try:
            with span(method, {Attr.RPC_SYSTEM: "grpc", Attr.RPC_METHOD: method}, SpanKind.SERVER) as active:
                try:
                    return await proceed()
                except KitError as error:
                    code = error.code.name
                    raise
                except BaseException as error:
                    code = "INTERNAL" if isinstance(error, Exception) else "CANCELLED"
                    raise
                finally:
                    put(active, self._facts(call, code))
        finally:
            otel_context.detach(token)
            self._duration.record(
                time.perf_counter() - started, {Attr.RPC_METHOD.value: method, Attr.RPC_STATUS.value: code}
            )

    @staticmethod
    def _facts(call: Call, code: str) -> dict[Attr, Plain]:
        facts: dict[Attr, Plain] = {Attr.RPC_STATUS: code}
        if call.workload:
            facts[Attr.WORKLOAD] = call.workload.name
        if call.caller:
            facts[Attr.ORGANISATION] = call.caller.organisation
            facts[Attr.BRAND] = call.caller.brand
        if call.outcome:
            facts[Attr.OUTCOME] = call.outcome
        return facts


def decided(outcome: str, reason: str = "", *, degraded: bool = False) -> None:
    """Notes the decision on the current span (and so keeps the trace of every denial)."""
    facts: dict[Attr, Plain] = {Attr.OUTCOME: outcome}
    if reason:
        facts[Attr.REASON] = reason
    if degraded:
        facts[Attr.DEGRADED] = True
    put(trace.get_current_span(), facts)
