"""A Jaeger of one's own for a while: the shipped configuration on free ports, and questions to its query API."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from embedded import launch
from embedded.ports import free_ports
from tools.jaeger import CONFIG

START_SECONDS = 30.0
STOP_SECONDS = 5.0


class JaegerError(Exception):
    """It did not start, or answered with something else than a trace."""


@dataclass(frozen=True)
class Span:
    """One span as Jaeger gives it back."""

    service: str
    name: str
    span_id: str
    parent_id: str


def roots(spans: list[Span]) -> list[Span]:
    """Spans that no span is the parent of."""
    return [span for span in spans if not span.parent_id]


def orphans(spans: list[Span]) -> list[Span]:
    """Spans whose parent is not among them."""
    known = {span.span_id for span in spans}
    return [span for span in spans if span.parent_id and span.parent_id not in known]


def whole(spans: list[Span]) -> bool:
    """One root, and no span without its parent."""
    return len(roots(spans)) == 1 and not orphans(spans)


class Jaeger:
    """A running one."""

    def __init__(self, otlp_port: int, query_port: int, health_port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{otlp_port}"
        self.otlp_port = otlp_port
        self._query = f"http://127.0.0.1:{query_port}"
        self._health = f"http://127.0.0.1:{health_port}/status"

    async def healthy(self, process: asyncio.subprocess.Process) -> None:
        """Returns when the health check that compose uses is good."""
        end = time.monotonic() + START_SECONDS
        async with httpx.AsyncClient(timeout=2) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(self._health)).status_code == 200:
                        return
                if process.returncode is not None or time.monotonic() > end:
                    raise JaegerError("Jaeger did not start")
                await asyncio.sleep(0.1)

    async def services(self) -> list[str]:
        """Names of everything that sent a span."""
        return sorted((await self._get("/api/v3/services")).get("services", []))

    async def operations(self, service: str) -> list[str]:
        """Names of the server's spans of a service."""
        answer = await self._get("/api/v3/operations", service=service)
        return sorted(found["name"] for found in answer.get("operations", []) if found.get("spanKind") == "server")

    async def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace; empty when it is not there (yet)."""
        answer = await self._get(f"/api/v3/traces/{trace_id}")
        spans = []
        for resource in answer.get("result", {}).get("resourceSpans", []):
            names = {a["key"]: a["value"].get("stringValue", "") for a in resource["resource"].get("attributes", [])}
            for scope in resource.get("scopeSpans", []):
                for span in scope.get("spans", []):
                    parent = span.get("parentSpanId", "")
                    spans.append(Span(names.get("service.name", ""), span["name"], span["spanId"], parent))
        return spans

    async def whole_trace(self, trace_id: str, seconds: float = 20.0) -> list[Span]:
        """The trace once it has a root and every parent, and no longer grows; after a while, what there is of it."""
        end, before = time.monotonic() + seconds, -1
        while True:
            spans = await self.trace(trace_id)
            late = time.monotonic() > end
            if not spans and late:
                raise JaegerError(f"Jaeger does not hold the trace {trace_id}")
            if late or (len(spans) == before and whole(spans)):
                return spans
            before = len(spans)
            await asyncio.sleep(1.0)

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.get(self._query + path, params=query)
        if answer.status_code == 404:
            return {}
        if answer.status_code != 200:
            raise JaegerError(f"{path} answers {answer.status_code}")
        document: dict[str, Any] = answer.json()
        return document


@asynccontextmanager
async def running_jaeger(program: Path) -> AsyncIterator[Jaeger]:
    """Started with deploy/jaeger.yaml, on loopback only; ends with this process, whatever happens to that."""
    otlp, query, query_grpc, health = free_ports(4)
    moved = {
        "receivers.otlp.protocols.grpc.endpoint": otlp,
        "extensions.jaeger_query.http.endpoint": query,
        "extensions.jaeger_query.grpc.endpoint": query_grpc,
        "extensions.healthcheckv2.http.endpoint": health,
    }
    settings = [f"--set={name}=127.0.0.1:{port}" for name, port in moved.items()]
    bound = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(signal.SIGTERM)), "-1", "-1", "--"]
    process = await asyncio.create_subprocess_exec(
        *(*bound, str(program), "--config", str(CONFIG), *settings, "--set=service.telemetry.metrics.level=none"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    jaeger = Jaeger(otlp, query, health)
    try:
        await jaeger.healthy(process)
        yield jaeger
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
