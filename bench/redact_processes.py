"""How much two processes do beside one: the same search of the same text, for as long a time."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any


def scale(text: str, seconds: float) -> dict[str, Any]:
    """Calls per second of one process and of two at once, and the ratio."""
    one, two = _per_second(1, text, seconds), _per_second(2, text, seconds)
    return {"one_per_second": round(one, 1), "per_second": round(two, 1), "scale": round(two / one, 2)}


def _per_second(processes: int, text: str, seconds: float) -> float:
    context = multiprocessing.get_context("spawn")
    running = []
    for _ in range(processes):
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, text, seconds), daemon=True)
        process.start()
        running.append((process, ours))
    for _, pipe in running:
        pipe.recv()  # loaded
    for _, pipe in running:
        pipe.send("go")
    done = sum(pipe.recv() for _, pipe in running)
    for process, _ in running:
        process.join()
    return float(done) / seconds


def _work(pipe: Connection, text: str, seconds: float) -> None:
    from bench.redact import ours  # noqa: PLC0415 - only the child needs it

    search = ours()
    search(text)
    pipe.send("ready")
    pipe.recv()
    done, ends = 0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        search(text)
        done += 1
    pipe.send(done)
