"""How much two processes do beside one: the same search of the same text, for as long a time.

Beside it a control: two processes that only count, and share nothing. What they reach is what the machine has to give
while others use it; nothing that runs in two processes can reach more. Turns are short and alternate, so that both see
the same machine. `scale_by_processor_time` leaves out how much of the machine others had: the calls in a second of
processor time, of both when two work, by those of one alone. Below 2 they hinder each other (memory, caches).
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_TURNS = 5
_COUNTED = 20_000
# By what was done, and by how many processes: calls in a second by the clock, and of processor time.
_Rates = dict[tuple[str, int], list[tuple[float, float]]]


def scale(text: str, seconds: float) -> dict[str, Any]:
    """Calls per second of one process and of two at once, the ratio, and that of the control."""
    pairs = {kind: _Pair(kind, text) for kind in ("search", "count")}
    try:
        rates: _Rates = {}
        for _ in range(_TURNS):
            for kind, pair in pairs.items():
                for many in (1, 2):
                    rates.setdefault((kind, many), []).append(pair.per_second(many, seconds / _TURNS))
        one, two = (statistics.median(by_clock for by_clock, _ in rates["search", many]) for many in (1, 2))
        return {
            "one_per_second": round(one, 1),
            "per_second": round(two, 1),
            "scale": _ratio(rates, "search", 0),
            "control_scale": _ratio(rates, "count", 0),
            "scale_by_processor_time": _ratio(rates, "search", 1),
            "control_by_processor_time": _ratio(rates, "count", 1),
        }
    finally:
        for pair in pairs.values():
            pair.end()


def _ratio(rates: _Rates, kind: str, clock: int) -> float:
    """The median over turns, each of which compares neighbours in time."""
    pairs = zip(rates[kind, 1], rates[kind, 2], strict=True)
    return round(statistics.median(two[clock] / one[clock] for one, two in pairs), 2)


class _Pair:
    """Two processes, ready, that work when they are told to."""

    def __init__(self, kind: str, text: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._running = []
        for _ in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, kind, text), daemon=True)
            process.start()
            self._running.append((process, ours))
        for _, pipe in self._running:
            pipe.recv()  # loaded

    def per_second(self, many: int, seconds: float) -> tuple[float, float]:
        """What so many of them do in a second, by the clock and by the processor time that each was given."""
        at_work = [pipe for _, pipe in self._running[:many]]
        for pipe in at_work:
            pipe.send(seconds)
        answers: list[tuple[int, float]] = [pipe.recv() for pipe in at_work]
        return sum(done for done, _ in answers) / seconds, sum(done / given for done, given in answers)

    def end(self) -> None:
        """Lets them go."""
        for process, pipe in self._running:
            pipe.send(0.0)
            process.join()


def _work(pipe: Connection, kind: str, text: str) -> None:
    do = _counting() if kind == "count" else _searching(text)
    do()
    pipe.send("ready")
    while seconds := pipe.recv():
        done, ends, begun = 0, time.perf_counter() + seconds, time.process_time()
        while time.perf_counter() < ends:
            do()
            done += 1
        pipe.send((done, time.process_time() - begun))


def _counting() -> Callable[[], Any]:
    return lambda: sum(range(_COUNTED))


def _searching(text: str) -> Callable[[], Any]:
    from bench.redact import ours  # noqa: PLC0415 - only this child needs it

    search = ours()
    return lambda: search(text)
