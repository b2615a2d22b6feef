"""Structured logs: one JSON object a line, with the trace id; an event code and typed facts, never free text."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog
from opentelemetry import trace

from services.kit.telemetry.attributes import is_plain
from services.kit.telemetry.gate import GATE

WITHHELD = "[withheld]"
# What structlog and this module add by themselves; their values do not come from a caller.
OWN = frozenset({"level", "timestamp", "trace_id", "span_id", "service"})


def logger() -> Any:
    """The process's logger: `logger().info("area.event", fact=value)`."""
    return structlog.get_logger()


def setup(service: str, level: str = "INFO") -> None:
    """Sends every log record of the process, libraries included, through the same filter to stderr."""
    structlog.configure(
        processors=[
            leave,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_context(service),
            withhold,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Errors())),
        cache_logger_on_first_use=False,
    )
    # Library loggers may quote what they were given (driver errors, URLs): only their name and level come through.
    root = logging.getLogger()
    root.handlers = [_LibraryHandler()]
    root.setLevel(logging.WARNING)


class _Errors:
    """The stderr of now; once that is closed, the one that took its place."""

    def __init__(self) -> None:
        self._stream = sys.stderr

    def write(self, text: str) -> None:
        (sys.stderr if self._stream.closed else self._stream).write(text)

    def flush(self) -> None:
        (sys.stderr if self._stream.closed else self._stream).flush()


class _LibraryHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logger().warning("library.log", library=record.name, severity=record.levelname)


def _add_context(service: str) -> Any:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = f"{context.trace_id:032x}"
            event["span_id"] = f"{context.span_id:016x}"
        return event

    return add


def leave(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drops a line with a value that must not leave. Before anything is withheld: to log such a value is a fault, which
    is told although the value would not have got out."""
    if not GATE.passes("log", str(event.get("event", "")), (event,)):
        raise structlog.DropEvent
    return event


def withhold(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keeps event codes, numbers, enums and identifiers; anything that could be text of a person is withheld."""
    for key, value in event.items():
        if key not in OWN and not is_plain(value):
            event[key] = WITHHELD
    return event
