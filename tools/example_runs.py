"""One run of an example: what it says of itself, what the services' spans say, and whether that is as it should be."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from embedded.client import Connection
from embedded.stack import Stack
from services.kit.txn_token import METADATA_KEY

RUN_SECONDS = 60.0
SCHEMA = {
    "type": "object",
    "properties": {
        "brand": {"type": "string", "x-resource": "Brand"},
        "days": {"type": "integer", "minimum": 1, "maximum": 31},
    },
    "required": ["brand", "days"],
    "additionalProperties": False,
}
TOOL = guardrail.Tool(
    tool="brand.report",
    schema_json=json.dumps(SCHEMA),
    permission="knowledge.read",
    description="What was asked of a brand in the last days.",
)
# What every language must have seen, word for word.
EXPECTED = {
    "to_model": "My SSN is <US_SSN>, write to <EMAIL_ADDRESS> about last week",
    "tools": ["ALLOW", "DENY"],
    "shown": "Noted, I will write to mara@example.com.",
    "refused": "DENY",
    "reply": "I cannot help with that. Please put your question in other words.",
}
SERVICES = {"gateway", "auth", "tenancy", "ratelimit", "redaction", "guardrail"}


@dataclass(frozen=True)
class Run:
    """What came of one example."""

    language: str
    seconds: float
    said: dict[str, Any]
    error: str
    traces: frozenset[str]
    services: frozenset[str]
    spans: int

    @property
    def trace_id(self) -> str:
        """The trace that the backend itself made."""
        return str(self.said.get("trace_id", ""))


async def offer_tool(stack: Connection) -> None:
    """Registers the tool that the stand-in model asks for, as the first organisation's administrator."""
    credential = auth.Credential(api_key=stack.api_key)
    proven = await AuthServiceStub(stack.channel("auth")).Authenticate(
        auth.AuthenticateRequest(credential=credential, brand=stack.brand), timeout=5
    )
    await GuardrailServiceStub(stack.channel("guardrail")).PutTool(
        guardrail.PutToolRequest(tool=TOOL), timeout=5, metadata=((METADATA_KEY, proven.txn_token),)
    )


async def run_example(language: str, command: Sequence[str], stack: Stack, spans: InMemorySpanExporter) -> Run:
    """Runs it once. Of `spans`, those count that began meanwhile: nobody else may ask this stack's gateway."""
    started, since = time.monotonic(), time.time_ns()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HAUBERK_", "PYTHONPATH"))}
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**environment, "HAUBERK_FOLDER": str(stack.folder)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), RUN_SECONDS)
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
    seconds = time.monotonic() - started
    await asyncio.to_thread(stack.flush_spans)
    lines = out.decode().strip().splitlines()
    said = json.loads(lines[-1]) if process.returncode == 0 and lines else {}
    new = [span for span in spans.get_finished_spans() if span.context and (span.start_time or 0) >= since]
    by_trace = [(f"{span.context.trace_id:032x}", span) for span in new if span.context]
    traces = frozenset(trace for trace, span in by_trace if span.name.startswith("hauberk.gateway."))
    kept = [span for trace, span in by_trace if trace in traces]
    services = frozenset(str(span.resource.attributes["service.name"]) for span in kept)
    error = err.decode()[-2000:] if process.returncode else ""
    return Run(language, seconds, said, error, traces, services, len(kept))


def wrong(run: Run) -> list[str]:
    """What is not as it should be."""
    if not run.said:
        return [f"it failed: {run.error.strip() or 'it said nothing'}"]
    found = [f"{name} is {run.said.get(name)!r}" for name, value in EXPECTED.items() if run.said.get(name) != value]
    if run.traces != {run.trace_id}:
        found.append(f"the gateway saw the traces {sorted(run.traces)}, the backend made {run.trace_id}")
    if run.services != SERVICES:
        found.append(f"spans of {sorted(run.services)} only")
    return found
