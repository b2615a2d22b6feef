"""Runs the scenarios in a temporary stack and shows them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from hauberk.gateway.v1 import gateway_service_pb2 as pb
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.console import Console, RenderableType
from rich.rule import Rule
from rich.text import Text

from cli import waterfall
from cli.decision import Answer
from cli.demo.scenario import Check, Report, Scenario, World
from cli.demo.scenarios import SCENARIOS
from cli.show import call_words, indented, left, not_searched, sanitised, say, told, user_sees, verdicts
from cli.terminal import out
from embedded.datafolder import DataFolder
from embedded.stack import Stack, StackOptions

LONG = 60  # a longer value stands above the claims already


async def run() -> int:
    """0 when every claim of every scenario holds, else 1."""
    console = out()
    spans = InMemorySpanExporter()
    started = time.perf_counter()
    say(console, "Starting PostgreSQL, Redis, seven services and the gateway in a temporary folder ...", "bright_black")
    async with temporary_stack(spans) as stack:
        took = time.perf_counter() - started
        say(console, f"... up after {took:.1f} s; every call below is gRPC over mutual TLS.", "bright_black")
        world = World.of(stack)
        failed = []
        reports = []
        for number, scenario in enumerate(SCENARIOS, 1):
            report = await scenario.play(world)
            _show(console, number, scenario, report)
            reports.append(report)
            if not report.holds:
                failed.append(scenario.title)
        stack.flush_spans()
        _show_trace(console, spans, reports[0])
    return _conclude(console, failed, time.perf_counter() - started)


@asynccontextmanager
async def temporary_stack(spans: InMemorySpanExporter) -> AsyncIterator[Stack]:
    """A stack in a folder that is removed afterwards, wherever its servers had to live."""
    with tempfile.TemporaryDirectory(prefix="hauberk-demo-") as made:
        base = Path(made)
        base.chmod(0o711)  # noqa: ASYNC240 - once; the servers' own account must be able to walk through it
        folder = base / "data"
        try:
            async with Stack.running(folder, StackOptions(spans=spans)) as stack:
                yield stack
        finally:
            DataFolder(folder).remove()


def _show(console: Console, number: int, scenario: Scenario, report: Report) -> None:
    console.print()
    console.print(Rule(Text(f"{number}  {scenario.title}", "bold"), align="left", style="bright_black"))
    say(console, f"   {scenario.story}", "italic")
    for label, answer in report.answers:
        console.print()
        say(console, f"   {label}", "bright_black")
        for part in _parts(answer, with_limits=number == 1):
            console.print(indented(part))
    for label, failure in report.failures:
        console.print()
        say(console, f"   {label}", "bright_black")
        for name, rule in failure.fields:
            say(console, f"     {name:<24} {rule}", "bright_black")
    for note in report.notes:
        say(console, f"   {note}", "bright_black")
    console.print()
    for check in report.checks:
        console.print(indented(_line(check)))


def _parts(answer: Answer, *, with_limits: bool) -> Iterator[RenderableType]:
    yield verdicts(answer)
    if isinstance(answer, pb.AdmitResponse):
        if answer.messages:
            yield sanitised(answer)
        if answer.entities_not_searched:
            yield not_searched(answer)
    elif isinstance(answer, pb.CompleteResponse):
        if answer.text:
            yield user_sees(answer.text)
    else:
        yield from call_words(answer)
    yield from told(answer)
    if isinstance(answer, pb.AdmitResponse) and answer.messages and with_limits:
        yield left(answer)


def _line(check: Check) -> Text:
    if check.holds:
        shown = "" if check.expected == "True" or len(check.expected) > LONG else f": {_said(check)}, as expected"
        return Text.assemble(("✓ ", "bold green"), check.what + shown)
    line = Text.assemble(("✗ ", "bold red"), check.what)
    return line.append(f"\n  expected  {check.expected}\n  actual    {check.actual}", "red")


def _said(check: Check) -> str:
    return {"False": "no", "": "nothing"}.get(check.actual, check.actual)


def _show_trace(console: Console, spans: InMemorySpanExporter, report: Report) -> None:
    if not report.answers:
        return
    trace_id = report.answers[0][1].trace_id
    found = waterfall.lines(waterfall.of_trace(spans.get_finished_spans(), trace_id))
    console.print()
    title = Text(f"The trace of scenario 1  ({trace_id})", "bold")
    console.print(Rule(title, align="left", style="bright_black"))
    console.print(indented(waterfall.render(found)))


def _conclude(console: Console, failed: list[str], took: float) -> int:
    console.print()
    count = len(SCENARIOS)
    if failed:
        say(console, f"{len(failed)} of {count} scenarios differ from what is expected:", "bold red")
        for title in failed:
            say(console, f"   {title}", "red")
        return 1
    say(console, f"All {count} scenarios went as expected, in {took:.1f} s.", "bold green")
    say(console, "Next: `hauberk up` runs it to stay, `hauberk admit TEXT` asks, `hauberk chain` explains.")
    return 0
