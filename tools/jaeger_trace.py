"""Sends one chat request through every service and finds its trace in a real Jaeger.

    python -m tools.jaeger_trace [--way embedded|processes] [--json]

Twice: on the embedded stack, and with one process per service. A user's request goes through Envoy (shipped ext_authz)
to a shop, which asks to admit it (with context for another brand), a tool call, the answer, and looks at the trail. The
trace must be whole: one root, which is Envoy's, and no span without its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from embedded.client import Connection
from embedded.processes import running_processes
from embedded.stack import Stack, StackOptions
from services.kit.telemetry.tracing import Tracing
from tools.jaeger import CONTAINER, found
from tools.jaeger_chat import SHOP, Shop, asked_through_envoy, connected, prepared
from tools.jaeger_server import Jaeger, JaegerError, Span, orphans, roots, running_jaeger, whole

# Every one is asked something by this chat.
SERVICES = {"gateway", "auth", "tenancy", "ratelimit", "redaction", "guardrail", "context-token", "audit"}
ENVOY = "envoy"  # as the shipped configuration names it
_METHOD = re.compile(r"[\w.]+/\w+")  # what a server's span is called
WAYS = ("embedded", "processes")


@dataclass
class Report:
    """What Jaeger says of one trace."""

    way: str
    trace_id: str
    spans: int
    operations: dict[str, list[str]]  # names of the spans that a service serves, by service
    known: list[str] = field(default_factory=list)  # every service that Jaeger has heard of
    faults: list[str] = field(default_factory=list)


def reported(way: str, trace_id: str, spans: list[Span], expected: set[str]) -> Report:
    """Counts and checks the spans of a trace."""
    operations: dict[str, set[str]] = {span.service: set() for span in spans}
    for span in spans:
        if _METHOD.fullmatch(span.name) or span.service not in SERVICES:
            operations[span.service].add(span.name)
    faults = []
    if set(operations) != expected:
        faults.append(
            f"missing: {sorted(expected - set(operations))}, unexpected: {sorted(set(operations) - expected)}"
        )
    if not whole(spans):
        named = sorted(span.name for span in roots(spans))
        faults.append(f"roots: {named}; {len(orphans(spans))} spans whose parent is not in the trace")
    return Report(
        way, trace_id, len(spans), {name: sorted(names) for name, names in sorted(operations.items())}, [], faults
    )


async def one(way: str, jaeger: Jaeger) -> Report:
    """A fresh stack, one chat, and what Jaeger holds of it."""
    base = Path(tempfile.mkdtemp(prefix="hauberk-jaeger-"))
    try:
        async with AsyncExitStack() as exits:
            stack: Connection
            addresses: str | Mapping[str, str]
            if way == "embedded":
                options = StackOptions(otlp_endpoint=jaeger.endpoint)
                stack = await exits.enter_async_context(Stack.running(base / "data", options))
                addresses = stack.address
            else:
                stack = processes = await exits.enter_async_context(running_processes(base / "data", jaeger.endpoint))
                addresses = {kind: f"127.0.0.1:{ports[0]}" for kind, ports in processes.ports.items()}
            connection = await exits.enter_async_context(connected(stack, addresses))
            await prepared(stack, connection)
            shop = Shop(connection, stack.api_key, stack.brand, Tracing.to(jaeger.endpoint, 1.0))
            exits.push_async_callback(asyncio.to_thread, shop.tracing.close)
            trace_id = await asked_through_envoy(stack, shop, jaeger, base)
            spans = await jaeger.whole_trace(trace_id)
        report = reported(way, trace_id, spans, {*SERVICES, SHOP, ENVOY})
        report.known = await jaeger.services()
        return report
    finally:
        shutil.rmtree(base, ignore_errors=True)


async def every(ways: list[str], program: Path) -> list[Report]:
    """Each way with a Jaeger of its own."""
    reports = []
    for way in ways:
        async with running_jaeger(program) as jaeger:
            reports.append(await one(way, jaeger))
    return reports


def shown(report: Report) -> str:
    """For people."""
    lines = [f"{report.way}: trace {report.trace_id}, {report.spans} spans, {'; '.join(report.faults) or 'whole'}"]
    for service, names in report.operations.items():
        lines += [f"  {service:14} {name}" for name in names] or [f"  {service}"]
    return "\n".join(lines)


def main() -> int:
    """0 when every trace was found and whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS, action="append", help="default: both")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    program = found()
    if program is None:
        print(f"no Jaeger here: run make jaeger, or as a container:\n\n  {CONTAINER}", file=sys.stderr)
        return 1
    try:
        reports = asyncio.run(every(options.way or list(WAYS), program))
    except JaegerError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=2))
    else:
        print("\n".join(shown(report) for report in reports))
    return 1 if any(report.faults for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
