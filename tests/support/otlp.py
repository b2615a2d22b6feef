"""A real OTLP receiver: the collector's trace service over gRPC, keeping what it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from grpc import aio
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as grpc_pb


@dataclass
class Received:
    """One span as it came over the wire."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str] = field(default_factory=dict)


class Receiver(grpc_pb.TraceServiceServicer):
    """Keeps every span."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.raw = b""
        self.endpoint = ""

    async def Export(self, request: pb.ExportTraceServiceRequest, context: Any) -> pb.ExportTraceServiceResponse:
        self.raw += request.SerializeToString()
        for resource in request.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {a.key: a.value.string_value or str(a.value) for a in span.attributes}
                    self.spans.append(
                        Received(
                            names.get("service.name", ""),
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            attributes,
                        )
                    )
        return pb.ExportTraceServiceResponse()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Listens on a free loopback port."""
    keeping = Receiver()
    server = aio.server()
    grpc_pb.add_TraceServiceServicer_to_server(keeping, server)  # type: ignore[no-untyped-call]
    keeping.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield keeping
    finally:
        await server.stop(0)
