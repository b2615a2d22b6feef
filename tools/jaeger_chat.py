"""One chat request as a backend with OpenTelemetry makes it: its own span around everything that Hauberk is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from hauberk.gateway.v1 import gateway_service_pb2 as gateway
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub
from opentelemetry import propagate
from opentelemetry.trace import SpanKind

import hauberk_client
from embedded.client import Connection
from hauberk_client import Client, Guard, Tls, Undecided, Usage, api_key
from services.kit.telemetry.tracing import Tracing
from services.kit.txn_token import METADATA_KEY
from tests.support import envoy
from tools.example_runs import TOOL, offer_tool
from tools.jaeger_server import Jaeger, JaegerError

SHOP = "shop"
OTHER_BRAND = "acme-help"


def current_headers() -> dict[str, str]:
    """The trace headers of the current span."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


def connected(stack: Connection, addresses: str | Mapping[str, str]) -> hauberk_client.Connection:
    """As the workload backend/demo."""
    files = stack.client()
    return hauberk_client.Connection(Tls(files.cert, files.key, files.ca), addresses)


async def prepared(stack: Connection, connection: hauberk_client.Connection) -> None:
    """A tool, and a brand that context is handed to, by the first organisation's administrator."""
    await offer_tool(stack)
    owner = await Guard(connection, brand=stack.brand).authenticate(api_key(stack.api_key))
    brand = tenancy.Brand(brand=OTHER_BRAND, display_name="Help")
    await TenancyServiceStub(connection.channel("tenancy")).PutBrand(
        tenancy.PutBrandRequest(brand=brand), timeout=5, metadata=((METADATA_KEY, owner.token),)
    )


@dataclass
class Shop:
    """The backend: what it asks Hauberk for one chat."""

    connection: hauberk_client.Connection
    key: str
    brand: str
    tracing: Tracing

    async def chat(self, headers: Mapping[str, str]) -> str:
        """The id of its trace, which is the one that the request came with."""
        came_with = propagate.extract(dict(headers))
        tracer = self.tracing.tracer(SHOP)
        with tracer.start_as_current_span("POST /chat", context=came_with, kind=SpanKind.SERVER) as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
            await self._ask(trace_id)
        await asyncio.to_thread(self.tracing.flush)
        return trace_id

    async def _ask(self, trace_id: str) -> None:
        key, propagate = api_key(self.key), current_headers
        hauberk = Client(self.connection, key, brand=self.brand, deadline=10.0, propagate=propagate)
        guard = Guard(self.connection, brand=self.brand, deadline=10.0, propagate=propagate)
        handoff = gateway.ContextHandoff(target_brand=OTHER_BRAND, body=b"{}")
        asked = await hauberk.admit("Write to mara@example.com", conversation="order-4711", handoff=handoff)
        call = await hauberk.authorize_tool_call(asked, TOOL.tool, json.dumps({"brand": self.brand, "days": 7}))
        answer = await hauberk.complete(asked, "Noted, <EMAIL_ADDRESS>.", Usage(output_tokens=9))
        if not (call and answer):
            raise RuntimeError(f"the chat was refused: {call.reason} {answer.reason}")
        owner = await guard.authenticate(key)
        await AuditServiceStub(self.connection.channel("audit")).Query(
            audit.QueryRequest(trace_id=trace_id),
            timeout=10,
            metadata=((METADATA_KEY, owner.token), *current_headers().items()),
        )


@asynccontextmanager
async def shop_over_http(shop: Shop) -> AsyncIterator[int]:
    """The port on which every request is a chat, answered with the id of its trace."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in named}
        try:
            status, body = "200 OK", await shop.chat(headers)
        except (Undecided, RuntimeError) as error:
            status, body = "500 Internal Server Error", str(error)
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def asked_through_envoy(stack: Connection, shop: Shop, jaeger: Jaeger, folder: Path) -> str:
    """The trace of one request of a user: Envoy as deploy/envoy/ext_authz.yaml has it, the shop behind it."""
    async with shop_over_http(shop) as port:
        ports = {"product": port, envoy.GATEWAY: int(stack.address.rpartition(":")[2]), "traces": jaeger.otlp_port}
        path, front = envoy.configured("ext_authz.yaml", folder, ports, stack.client("envoy/edge"))
        async with envoy.running(path, front) as client:
            answer = await client.post("/chat", headers={"authorization": f"Bearer {shop.key}"}, timeout=30)
            if answer.status_code != 200:
                raise JaegerError(f"Envoy answers {answer.status_code}: {answer.text[:200]}")
            trace_id = answer.text
            await jaeger.whole_trace(trace_id)  # Envoy sends its span some seconds later, and must live until then
            return trace_id
