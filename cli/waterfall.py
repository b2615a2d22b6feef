"""A trace as a waterfall in the terminal: who called whom, when, and for how long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan
from rich.table import Table
from rich.text import Text

BAR = 34
_LEAST_NAME = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One span: how deep it lies, and when it ran (milliseconds after the trace began)."""

    depth: int
    name: str
    outcome: str
    start: float
    took: float


def of_trace(spans: Sequence[ReadableSpan], trace_id: str) -> list[ReadableSpan]:
    """The spans of one trace."""
    return [span for span in spans if span.context is not None and f"{span.context.trace_id:032x}" == trace_id]


def lines(spans: Sequence[ReadableSpan]) -> list[Line]:
    """Depth first, siblings by their start; a span whose parent is not here stands at the top."""
    ids = {span.context.span_id for span in spans if span.context is not None}
    children: dict[int, list[ReadableSpan]] = {}
    for span in sorted(spans, key=lambda one: one.start_time or 0):
        parent = span.parent.span_id if span.parent is not None and span.parent.span_id in ids else 0
        children.setdefault(parent, []).append(span)
    began = min((span.start_time or 0 for span in spans), default=0)
    return list(_walk(children, 0, 0, began))


def _walk(children: dict[int, list[ReadableSpan]], parent: int, depth: int, began: int) -> Iterator[Line]:
    for span in children.get(parent, []):
        start, end = span.start_time or began, span.end_time or began
        yield Line(depth, _name(span), _outcome(span), (start - began) / 1e6, (end - start) / 1e6)
        if span.context is not None:
            yield from _walk(children, span.context.span_id, depth + 1, began)


def _name(span: ReadableSpan) -> str:
    """`hauberk.auth.v1.AuthService/Authenticate` reads as `auth: Authenticate`."""
    service, slash, method = span.name.partition("/")
    parts = service.split(".")
    if slash and len(parts) > 2 and parts[0] == "hauberk":
        return f"{parts[1]}: {method}"
    return span.name


def _outcome(span: ReadableSpan) -> str:
    return str((span.attributes or {}).get("hauberk.outcome", ""))


def render(found: Sequence[Line]) -> Table:
    """Names indented by depth, bars by time."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=_LEAST_NAME, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, min_width=BAR)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    total = max((line.start + line.took for line in found), default=0.0) or 1.0
    for line in found:
        style = "bold" if line.depth == 0 else ""
        bar = Text(_bar(line, total), "cyan")
        table.add_row(Text("  " * line.depth + line.name, style), bar, f"{line.took:.2f} ms", line.outcome.lower())
    return table


def _bar(line: Line, total: float) -> str:
    start = min(BAR - 1, int(line.start / total * BAR))
    length = max(1, min(BAR - start, round(line.took / total * BAR)))
    return " " * start + "━" * length
