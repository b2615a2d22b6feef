"""Runs the scenarios in a temporary stack and shows them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from cli import waterfall
from cli.demo.scenario import Check, Report, Scenario, World
from cli.demo.scenarios import SCENARIOS
from cli.show import indented, left, not_searched, sanitised, say, verdicts
from cli.terminal import out
from embedded.datafolder import DataFolder
from embedded.stack import Stack, StackOptions

LONG = 60  # a longer value stands above the claims already


async def run() -> int:
    """0 when every claim of every scenario holds, else 1."""
    console = out()
    spans = InMemorySpanExporter()
    started = time.perf_counter()
    say(console, "Starting PostgreSQL, Redis, four services and the gateway in a temporary folder ...", "bright_black")
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
        console.print(indented(verdicts(answer)))
        if answer.messages:
            console.print(indented(sanitised(answer)))
        if answer.entities_not_searched:
            console.print(indented(not_searched(answer)))
        if answer.safe_reply.text:
            say(console, f"   the user is told  {answer.safe_reply.text}", "bright_black")
        if answer.messages and number == 1:
            console.print(indented(left(answer)))
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


def _line(check: Check) -> Text:
    if check.holds:
        shown = "" if check.expected == "True" or len(check.expected) > LONG else f": {check.actual}, as expected"
        return Text.assemble(("✓ ", "bold green"), check.what + shown)
    line = Text.assemble(("✗ ", "bold red"), check.what)
    return line.append(f"\n  expected  {check.expected}\n  actual    {check.actual}", "red")


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
