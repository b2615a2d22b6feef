"""Counters with labels that are words of ours, never of a caller."""

from __future__ import annotations

from functools import cache

from opentelemetry import metrics


@cache
def _counter(name: str) -> metrics.Counter:
    return metrics.get_meter("hauberk").create_counter(name)


def count(name: str, amount: int = 1, **labels: str) -> None:
    """So many more: `hauberk.incidents` is `hauberk_incidents_total` at Prometheus. Begin with 0: whoever asks for an
    increase does not see the first one of a series that was not there."""
    _counter(name).add(amount, labels)
