"""The exporter behind which nothing personal gets: looks at finished spans where they leave, off the requests' path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from services.kit.telemetry.gate import GATE, Gate


class Scanned(SpanExporter):
    """Hands on to `inner` what passes the gate."""

    def __init__(self, inner: SpanExporter, gate: Gate = GATE) -> None:
        self._inner, self._gate = inner, gate

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the batch processor's thread."""
        kept = [span for span in spans if self._gate.passes("span", span.name, _values(span))]
        return self._inner.export(kept) if kept else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Ends the inner one."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Sends what the inner one keeps."""
        return self._inner.force_flush(timeout_millis)


def _values(span: ReadableSpan) -> Iterator[object]:
    """All of a span that was chosen by somebody; ids and times are the library's own."""
    yield span.attributes
    yield span.status.description
    for event in span.events:
        yield event.name
        yield event.attributes
    for link in span.links:
        yield link.attributes
    if span.context is not None and span.context.trace_state:
        yield span.context.trace_state.to_header()  # a caller's own words go through in it
