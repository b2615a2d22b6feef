"""A trace in the terminal: children under their parents, bars in time."""

from __future__ import annotations

import io

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.console import Console

from cli.waterfall import BAR, Line, lines, of_trace, render

MS = 1_000_000


def recorded() -> InMemorySpanExporter:
    """A gateway that calls auth, then redaction; and a span of another trace."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    from opentelemetry.trace import set_span_in_context

    root = tracer.start_span("hauberk.gateway.v1.GatewayService/Admit", start_time=0)
    root.set_attribute("hauberk.outcome", "ALLOW")
    inside = set_span_in_context(root)
    second = tracer.start_span("call redaction.Redact", context=inside, start_time=6 * MS)
    first = tracer.start_span("call auth.Authenticate", context=inside, start_time=1 * MS)
    deep = tracer.start_span("redis", context=set_span_in_context(first), start_time=2 * MS)
    deep.end(3 * MS)
    first.end(5 * MS)
    second.end(9 * MS)
    root.end(10 * MS)
    tracer.start_span("another", start_time=0).end(1)
    return exporter


def trace() -> list[Line]:
    spans = recorded().get_finished_spans()
    root = next(span for span in spans if span.name.endswith("Admit"))
    assert root.context is not None
    return lines(of_trace(spans, f"{root.context.trace_id:032x}"))


def test_children_stand_under_their_parents_in_order_of_time() -> None:
    found = [(line.depth, line.name) for line in trace()]
    assert found == [
        (0, "gateway: Admit"),
        (1, "call auth.Authenticate"),
        (2, "redis"),
        (1, "call redaction.Redact"),
    ]


def test_times_are_relative_and_in_milliseconds() -> None:
    found = {line.name: (line.start, line.took) for line in trace()}
    assert found["gateway: Admit"] == (0.0, 10.0)
    assert found["call redaction.Redact"] == (6.0, 3.0)


def test_a_span_whose_parent_is_elsewhere_is_not_lost() -> None:
    spans = [span for span in recorded().get_finished_spans() if span.name == "redis"]
    assert [line.depth for line in lines(spans)] == [0]


def test_bars_stay_within_their_column() -> None:
    console = Console(file=io.StringIO(), width=110, color_system=None)
    console.print(render(trace()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    rows = text.splitlines()
    assert len(rows) == 4
    assert all(row.count("━") <= BAR for row in rows)
    assert "10.00 ms" in rows[0] and "allow" in rows[0]


def test_an_empty_trace_is_an_empty_table() -> None:
    assert lines([]) == []
    assert render([]).row_count == 0
