"""Which spans leave: every denial and failure, and allows by ratio.

The ratio is a function of the trace id, so every process keeps the same traces without asking. What is not kept by
ratio waits until its part of the trace in this process has ended: only then it is known whether it was refused.
"""

from __future__ import annotations

from collections import OrderedDict

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from services.kit.telemetry.attributes import Attr

WAITING_TRACES = 2_000
ID_SPACE = 1 << 64


class KeepDenials(SpanProcessor):
    """Forwards spans to `inner`, or holds them back until a denial in the same trace is known."""

    def __init__(self, inner: SpanProcessor, ratio: float) -> None:
        self._inner = inner
        self._bound = round(ratio * ID_SPACE)
        self._waiting: OrderedDict[int, list[ReadableSpan]] = OrderedDict()
        self._refused: OrderedDict[int, None] = OrderedDict()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is known yet."""

    def on_end(self, span: ReadableSpan) -> None:
        """Decides when it can."""
        context = span.context
        if context is None:
            return
        trace_id = context.trace_id
        if trace_id % ID_SPACE < self._bound or trace_id in self._refused:
            self._inner.on_end(span)
            return
        held = self._waiting.setdefault(trace_id, [])
        held.append(span)
        if _refused(span):
            self._refused[trace_id] = None
            for kept in self._waiting.pop(trace_id):
                self._inner.on_end(kept)
        elif span.parent is None:
            self._waiting.pop(trace_id, None)
        for memory in (self._waiting, self._refused):
            while len(memory) > WAITING_TRACES:
                memory.popitem(last=False)

    def shutdown(self) -> None:
        """Flushes what was kept."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Sends what was kept."""
        return self._inner.force_flush(timeout_millis)


def _refused(span: ReadableSpan) -> bool:
    outcome = (span.attributes or {}).get(Attr.OUTCOME.value, "ALLOW")
    return outcome != "ALLOW" or span.status.status_code is StatusCode.ERROR
