"""Two libraries doing the same eight limits: how each of them is asked.

They know no decision over several limits, so each of theirs is eight calls, one after the other, and not
all-or-nothing: two sliding windows, one GCRA (`limits` has none: a fixed window, which is cheaper), five fixed windows
in place of calendar ones. Neither has a way to send several calls together; `gathered` starts all eight at once, each
on a connection of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import limits
import throttled
from limits.aio import storage as limits_aio_storage
from limits.aio import strategies as limits_aio
from throttled import asyncio as throttled_aio

LIMITS = f"limits {version('limits')}, eight limits"
THROTTLED = f"throttled-py {version('throttled-py')}, eight limits"
TOKENS, MONEY = 500, 3750
_MUCH = 10**9
# What is counted, by which algorithm, over how many seconds, and how much of it one request takes.
EIGHT: tuple[tuple[str, str, int, int], ...] = (
    ("user", "sliding", 60, 1),
    ("user", "sliding", 3600, 1),
    ("user", "fixed", 86_400, TOKENS),
    ("user", "fixed", 30 * 86_400, TOKENS),
    ("key", "gcra", 60, 1),
    ("key", "fixed", 30 * 86_400, 1),
    ("org", "fixed", 86_400, MONEY),
    ("org", "fixed", 30 * 86_400, MONEY),
)
Ask = Callable[[int], Any]


def _limits_items() -> list[tuple[str, Any, Any, int]]:
    items: list[tuple[str, Any, Any, int]] = []
    for who, kind, seconds, cost in EIGHT:
        item = limits.RateLimitItemPerSecond(_MUCH, seconds)
        items.append((who, "sliding" if kind == "sliding" else "fixed", item, cost))
    return items


async def _all_fit(calls: list[Any], *, gathered: bool) -> None:
    """Waits for the calls; each says whether it fits."""
    answers = await asyncio.gather(*calls) if gathered else [await call for call in calls]
    if not all(answers):
        raise RuntimeError("a decision is not as expected")


def limits_async(url: str, *, gathered: bool = False) -> Ask:
    """`limits`, asyncio."""
    storage = limits_aio_storage.RedisStorage(f"async+redis+{url}", implementation="redispy")
    ways = {
        "sliding": limits_aio.SlidingWindowCounterRateLimiter(storage),
        "fixed": limits_aio.FixedWindowRateLimiter(storage),
    }
    items = _limits_items()

    async def ask(number: int) -> None:
        calls = [ways[kind].hit(item, who, str(number), cost=cost) for who, kind, item, cost in items]
        await _all_fit(calls, gathered=gathered)

    return ask


def limits_blocking(url: str) -> Ask:
    """`limits`, blocking."""
    storage = limits.storage.RedisStorage(f"redis+{url}")
    ways = {
        "sliding": limits.strategies.SlidingWindowCounterRateLimiter(storage),
        "fixed": limits.strategies.FixedWindowRateLimiter(storage),
    }
    items = _limits_items()

    def ask(number: int) -> None:
        for who, kind, item, cost in items:
            if not ways[kind].hit(item, who, str(number), cost=cost):
                raise RuntimeError("a decision is not as expected")

    return ask


def _throttles(package: Any, store: Any) -> list[tuple[str, Any, int]]:
    using = {"sliding": "sliding_window", "fixed": "fixed_window", "gcra": "gcra"}
    return [
        (f"{who}:{number}", package.Throttled(using=using[kind], quota=_quota(seconds), store=store), cost)
        for number, (who, kind, seconds, cost) in enumerate(EIGHT)
    ]


def _quota(seconds: int) -> Any:
    return throttled.per_duration(timedelta(seconds=seconds), limit=_MUCH)


def throttled_async(url: str, *, gathered: bool = False) -> Ask:
    """`throttled-py`, asyncio."""
    throttles = _throttles(throttled_aio, throttled_aio.RedisStore(server=url))

    async def fits(who: str, throttle: Any, cost: int) -> bool:
        return not (await throttle.limit(who, cost=cost)).limited

    async def ask(number: int) -> None:
        calls = [fits(f"{who}:{number}", throttle, cost) for who, throttle, cost in throttles]
        await _all_fit(calls, gathered=gathered)

    return ask


def throttled_blocking(url: str) -> Ask:
    """`throttled-py`, blocking."""
    throttles = _throttles(throttled, throttled.RedisStore(server=url))

    def ask(number: int) -> None:
        for who, throttle, cost in throttles:
            if throttle.limit(f"{who}:{number}", cost=cost).limited:
                raise RuntimeError("a decision is not as expected")

    return ask
