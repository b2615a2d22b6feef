"""Spans: what a process records, internal spans, and the server layer.

A denial is not an ERROR: its outcome is an attribute. Exception texts are never recorded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from hauberk.common.v1 import decision_pb2 as common
from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from services.kit.call import Call, Proceed
from services.kit.errors import KitError, public
from services.kit.telemetry.attributes import Attr, Plain, put
from services.kit.telemetry.keeping import KeepDenials
from services.kit.telemetry.scanned import Scanned

_OFF = trace.NoOpTracer()
# The tracer of the service that handles the current call: several services may share a process.
_tracer: ContextVar[trace.Tracer] = ContextVar("hauberk_tracer", default=_OFF)


class Tracing:
    """What leaves this process: spans of all its services through one processor; without an exporter, nothing."""

    def __init__(self, exporter: SpanExporter | None = None, ratio: float = 1.0) -> None:
        self._processor: KeepDenials | None = None
        if exporter is not None:
            self._processor = KeepDenials(BatchSpanProcessor(Scanned(exporter), schedule_delay_millis=500), ratio)

    @classmethod
    def to(cls, endpoint: str, ratio: float) -> Tracing:
        """OTLP over gRPC to `endpoint` (http:// = no TLS); empty = off."""
        if not endpoint:
            return cls()
        return cls(OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://")), ratio)

    def tracer(self, service: str) -> trace.Tracer:
        """The tracer of one service."""
        if self._processor is None:
            return _OFF
        provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return provider.get_tracer("hauberk")

    def flush(self) -> None:
        """Sends what is kept."""
        if self._processor:
            self._processor.force_flush()

    def close(self) -> None:
        """Sends what is kept and ends."""
        if self._processor:
            self._processor.shutdown()


OFF = Tracing()


@contextmanager
def span(
    name: str, attributes: Mapping[Attr, Plain] | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[Span]:
    """A span around one step; an exception marks it as an error by class name only."""
    tracer = _tracer.get()
    if tracer is _OFF:  # without this, a span that goes nowhere costs as much as one that does
        yield trace.INVALID_SPAN
        return
    with tracer.start_as_current_span(name, kind=kind, record_exception=False, set_status_on_exception=False) as active:
        if attributes:
            put(active, attributes)
        try:
            yield active
        except Exception as error:
            failed(active, error)
            raise


@contextmanager
def detached_span(
    name: str, attributes: Mapping[Attr, Plain], kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[list[tuple[str, str]]]:
    """A span around something that is suspended in between; gives the metadata that makes a peer its child."""
    tracer = _tracer.get()
    if tracer is _OFF:
        yield []
        return
    active = tracer.start_span(name, kind=kind)
    put(active, attributes)
    carrier: dict[str, str] = {}
    inject(carrier, trace.set_span_in_context(active))
    try:
        yield list(carrier.items())
    except Exception as error:
        failed(active, error)
        raise
    finally:
        active.end()


def failed(active: Span, error: Exception) -> None:
    """Marks a span as failed: reason or class name, never the text."""
    put(active, {Attr.ERROR_TYPE: error.reason if isinstance(error, KitError) else type(error).__name__})
    active.set_status(Status(StatusCode.ERROR))


@contextmanager
def serving(
    tracer: trace.Tracer, carrier: Mapping[str, str], name: str, attributes: Mapping[Attr, Plain]
) -> Iterator[Span]:
    """The server span of a request, a child of the one in `carrier`; spans within are of this tracer's service."""
    parent = otel_context.attach(extract(carrier) if carrier else otel_context.Context())
    own = _tracer.set(tracer)
    try:
        with span(name, attributes, SpanKind.SERVER) as active:
            yield active
    finally:
        _tracer.reset(own)
        otel_context.detach(parent)


class Telemetry:
    """The server span of every call, with its outcome, and its duration as a metric."""

    name = "telemetry"
    after: tuple[str, ...] = ("boundary",)

    def __init__(self, tracer: trace.Tracer = _OFF) -> None:
        self._tracer = tracer
        self._duration = metrics.get_meter("hauberk").create_histogram(
            "rpc.server.call.duration", unit="s", description="Duration of served calls"
        )

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        """Joins the caller's trace."""
        if self._tracer is _OFF:
            return await self._measured(call, proceed)
        carrier = {k: str(v) for k, v in call.context.invocation_metadata() or () if k in {"traceparent", "tracestate"}}
        method = call.method.lstrip("/")
        with serving(self._tracer, carrier, method, {Attr.RPC_SYSTEM: "grpc", Attr.RPC_METHOD: method}):
            return await self._measured(call, proceed)

    async def _measured(self, call: Call, proceed: Proceed) -> Any:
        started = time.perf_counter()
        own = trace.get_current_span().get_span_context()
        call.trace_id = f"{own.trace_id:032x}" if own.is_valid else ""
        code, answer = "OK", None
        try:
            answer = await proceed()
            return answer
        except BaseException as error:
            code = _code(error)
            raise
        finally:
            put(trace.get_current_span(), {**_facts(call, code), **_decision(answer)})
            labels = {Attr.RPC_METHOD.value: call.method.lstrip("/"), Attr.RPC_STATUS.value: code}
            self._duration.record(time.perf_counter() - started, labels)


def _code(error: BaseException) -> str:
    return public(error).code.name if isinstance(error, Exception) else "CANCELLED"


def _decision(answer: Any) -> dict[Attr, Plain]:
    """What an answer decided, when it is one that decides: no service can forget to say so."""
    outcome = getattr(answer, "outcome", None)
    if not isinstance(outcome, int):
        return {}
    facts: dict[Attr, Plain] = {
        Attr.OUTCOME: common.Outcome.Name(cast(common.Outcome.ValueType, outcome)).removeprefix("OUTCOME_"),
        Attr.REASON: common.Reason.Name(getattr(answer, "reason", common.REASON_UNSPECIFIED)).removeprefix("REASON_"),
    }
    if getattr(answer, "degraded", False):
        facts[Attr.DEGRADED] = True
    return facts


def _facts(call: Call, code: str) -> dict[Attr, Plain]:
    facts: dict[Attr, Plain] = {Attr.RPC_STATUS: code}
    if call.workload:
        facts[Attr.WORKLOAD] = call.workload.name
    if call.caller:
        facts[Attr.ORGANISATION] = call.caller.organisation
        facts[Attr.BRAND] = call.caller.brand
    return facts


def decided(outcome: str, reason: str = "", *, degraded: bool = False) -> None:
    """Notes the decision on the current span (and so keeps the trace of every denial)."""
    facts: dict[Attr, Plain] = {Attr.OUTCOME: outcome}
    if reason:
        facts[Attr.REASON] = reason
    if degraded:
        facts[Attr.DEGRADED] = True
    put(trace.get_current_span(), facts)
