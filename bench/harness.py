"""Runs benchmarks and relates every figure to `echo`, measured in the same run on the same machine.

A benchmark is a module of this package with `async def run(small: bool) -> list[dict]`: one row per case with `case`,
`n`, `p50_ms`, `p99_ms`, `per_second`, and whatever else says something. A row that does not relate itself to echo gets
`ratio_to_echo` from echo calls made right before and right after the module ran. `interleaved` does better: it takes
turns with echo, so that both meet the same moments of a busy machine.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench import echo
from bench.echo import Echo
from bench.rows import Row, row

NAMES = (
    "echo",
    "admit",
    "complete",
    "envoy",
    "openai",
    "redact",
    "restore",
    "decide",
    "overspend",
    "authenticate",
    "jwks",
    "rotation",
    "revoke",
    "authorize",
    "agreement",
    "search",
    "plan",
    "inspect",
    "obfuscation",
    "toolcalls",
    "context_token",
    "audit",
    "audit_chaos",
    "contain",
    "retention",
)
ROUNDS = 20
AROUND = 300


async def interleaved(case: str, yardstick: Echo, n: int, ask: Callable[[int], Awaitable[None]], **more: Any) -> Row:
    """`ask(0) .. ask(n - 1)`, one in flight, in turns with as many echo calls."""
    taken: list[float] = []
    plain: list[float] = []
    for turn in range(ROUNDS):
        numbers = range(n * turn // ROUNDS, n * (turn + 1) // ROUNDS)
        plain += await yardstick.times(len(numbers))
        for number in numbers:
            started = time.perf_counter()
            await ask(number)
            taken.append(time.perf_counter() - started)
    base = statistics.median(plain) * 1000
    found = row(case, taken, **more)
    return {**found, "ratio_to_echo": round(found["p50_ms"] / base, 2), "echo_p50_ms": round(base, 4)}


def cases_of(name: str) -> tuple[str, ...]:
    """The cases of a benchmark that can be run alone."""
    return tuple(getattr(importlib.import_module(f"bench.{name}"), "CASES", ()))


async def measure(name: str, small: bool, only: str = "") -> list[Row]:
    """The rows of one benchmark, each related to echo; with `only`, of that case alone (one of its `CASES`)."""
    module = importlib.import_module(f"bench.{name}")
    async with echo.running() as yardstick:
        before = await yardstick.times(AROUND)
        rows: list[Row] = await (module.CASES[only](small) if only else module.run(small))
        base = statistics.median(before + await yardstick.times(AROUND)) * 1000
    for found in rows:
        if "ratio_to_echo" not in found:
            found["ratio_to_echo"] = round(found["p50_ms"] / base, 2 if found["p50_ms"] > base / 10 else 4)
            found["echo_p50_ms"] = round(base, 4)
    return rows
