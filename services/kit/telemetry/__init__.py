"""Traces and metrics: one span per hop and per expensive step, attributes from an allow-list."""

from services.kit.telemetry.attributes import Attr
from services.kit.telemetry.tracing import span

__all__ = ["Attr", "span"]
