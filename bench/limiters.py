"""The limiter without its service, beside `limits` and `throttled-py`: the same eight limits on the same Redis.

Everyone takes turns in one run. The peers know no decision over several limits, so each of theirs is eight calls, one
after the other, and not all-or-nothing: two sliding windows, one GCRA (`limits` has none: a fixed window, which is
cheaper), five fixed windows in place of calendar ones. `per_redis_core` is what one core of Redis could decide by the
processor time that the server says it used, network included; `round_trips` counts what it was sent. Over the socket of
a server on the same machine a round trip costs next to nothing, so that everybody is also asked over a relay that makes
one cost what it does to another machine.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import limits
import throttled
from limits.aio import storage as limits_aio_storage
from limits.aio import strategies as limits_aio
from throttled import asyncio as throttled_aio

from bench.distance import away
from bench.rows import Row, row
from embedded.redis import RedisServer
from services.kit.clock import SystemClock
from services.kit.redis import RedisStore
from services.ratelimit.adapters.local_share import MemoryShare
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.limiter import Limiter, Request
from services.ratelimit.policy import Identity, Mode, Outcome, PolicyDocument

ROUNDS = 10
FAR = 1.0  # milliseconds, at least
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


@dataclass
class Contender:
    """One way to decide over eight limits; `flight` requests at once, 0 for a blocking library."""

    name: str
    ask: Ask
    flight: int
    subjects: int
    mine: bool = False
    far: bool = False
    taken: list[float] = field(default_factory=list)
    busy: float = 0.0
    cpu: float = 0.0
    reads: int = 0

    def warm_up(self, *, small: bool) -> int:
        """How many requests come first: connections, scripts, and state for whom will be asked for."""
        if self.far:
            return 10
        return 100 if small and not self.mine else self.subjects

    async def turn(self, numbers: range, redis: Any) -> None:
        """Decides for each of these subjects, and adds up what it took."""
        cpu, reads = await _spent(redis)
        started = time.perf_counter()
        if self.flight:
            waiting = iter(numbers)
            await asyncio.gather(*(self._one_after_another(waiting) for _ in range(self.flight)))
        else:
            for number in numbers:
                before = time.perf_counter()
                self.ask(number % self.subjects)
                self.taken.append(time.perf_counter() - before)
        self.busy += time.perf_counter() - started
        after_cpu, after_reads = await _spent(redis)
        self.cpu += after_cpu - cpu
        self.reads += after_reads - reads - 1  # the question itself

    async def _one_after_another(self, numbers: Any) -> None:
        for number in numbers:
            before = time.perf_counter()
            await self.ask(number % self.subjects)
            self.taken.append(time.perf_counter() - before)

    def row(self) -> Row:
        """Its figures."""
        n = len(self.taken)
        found = row(self.name, self.taken)
        return {
            **found,
            "per_second": round(n / self.busy, 1),
            "per_redis_core": round(n / self.cpu, 1),
            "round_trips": round(self.reads / n, 2),
        }


async def run(server: RedisServer, policy: PolicyDocument, *, small: bool) -> list[Row]:
    """A row for each contender; ours carry how many times more they decide than each peer of the same kind."""
    n = 200 if small else 10_000
    async with AsyncExitStack() as exits:
        store = RedisStore(server.url)
        exits.push_async_callback(store.close)
        socket = await exits.enter_async_context(away(server.socket, FAR))
        far = server.url.replace(str(server.socket), str(socket))
        far_store = RedisStore(far)
        exits.push_async_callback(far_store.close)
        contenders = [*_ours(store, policy, small), *_peers(server.url), *_far(far, far_store, policy)]
        for contender in contenders:
            await contender.turn(range(contender.warm_up(small=small)), store.client)
            contender.taken, contender.busy, contender.cpu, contender.reads = [], 0.0, 0.0, 0
        for turn in range(ROUNDS):
            for contender in contenders:
                share = n // 10 if contender.far else n if contender.mine else n // 4
                await contender.turn(range(share * turn // ROUNDS, share * (turn + 1) // ROUNDS), store.client)
        away_ms = await _round_trip(far_store)
    return _related(contenders, away_ms)


async def _round_trip(store: RedisStore) -> float:
    """Milliseconds that one costs: timers and a busy machine make it longer than was wished for."""
    taken = []
    for _ in range(50):
        started = time.perf_counter()
        await store.ping()
        taken.append(time.perf_counter() - started)
    return round(statistics.median(taken) * 1000, 2)


def _related(contenders: list[Contender], away_ms: float) -> list[Row]:
    """Ours beside the peers with as many in flight; a blocking library has one."""
    found = [(contender, contender.row()) for contender in contenders]
    for ours, mine in found:
        if ours.far:
            mine["round_trip_ms"] = away_ms
        for peer, theirs in found:
            if ours.mine and not peer.mine and (peer.flight or 1, peer.far) == (ours.flight, ours.far):
                name = peer.name.partition(" ")[0].replace("-", "_") + ("" if peer.flight else "_blocking")
                mine[f"x_{name}"] = round(mine["per_second"] / theirs["per_second"], 2)
                mine[f"x_{name}_per_core"] = round(mine["per_redis_core"] / theirs["per_redis_core"], 2)
    return [each for _, each in found]


def _ours(store: RedisStore, policy: PolicyDocument, small: bool) -> list[Contender]:
    take, many = _take(store, policy), 500 if small else 100_000
    return [
        Contender("TAKE 8, limiter alone, 1 subject", take, 1, 1, mine=True),
        Contender("TAKE 8, limiter alone, 1000 subjects", take, 1, 1000, mine=True),
        Contender(f"TAKE 8, limiter alone, {many} subjects", take, 1, many, mine=True),
        Contender("TAKE 8, limiter alone, 1000 subjects, 16 in flight", take, 16, 1000, mine=True),
    ]


def _far(url: str, store: RedisStore, policy: PolicyDocument) -> list[Contender]:
    """As if Redis were on another machine, as it mostly is."""
    return [
        Contender("TAKE 8, limiter alone, far Redis", _take(store, policy), 1, 1000, mine=True, far=True),
        Contender(f"{LIMITS}, far Redis", _limits_async(url), 1, 1000, far=True),
        Contender(f"{THROTTLED}, far Redis", _throttled_async(url), 1, 1000, far=True),
        Contender(f"{LIMITS}, blocking, far Redis", _limits_blocking(url), 0, 1000, far=True),
        Contender(f"{THROTTLED}, blocking, far Redis", _throttled_blocking(url), 0, 1000, far=True),
    ]


def _take(store: RedisStore, policy: PolicyDocument) -> Ask:
    clock = SystemClock()
    limiter = Limiter(RedisLimits(store, clock), MemoryShare(clock, 100), policy)
    serial, name = itertools.count(), f"alone-{id(store)}"

    async def take(number: int) -> None:
        identity = Identity("bench", "pro", f"key_{number:016d}", f"user-{number}", "shop")
        wanted = Request(Mode.TAKE, f"{name}-{next(serial):012d}", 1, 300, 200, "gpt-4o")
        decision = await limiter.decide(identity, "gateway", wanted)
        if decision.outcome is not Outcome.ALLOW or len(decision.standings) != len(EIGHT):
            raise RuntimeError("a decision is not as expected")

    return take


def _peers(url: str) -> list[Contender]:
    found = []
    for flight in (1, 16):
        words = ", 16 in flight" if flight > 1 else ""
        found.append(Contender(f"{LIMITS}{words}", _limits_async(url), flight, 1000))
        found.append(Contender(f"{THROTTLED}{words}", _throttled_async(url), flight, 1000))
    found.append(Contender(f"{LIMITS}, blocking", _limits_blocking(url), 0, 1000))
    found.append(Contender(f"{THROTTLED}, blocking", _throttled_blocking(url), 0, 1000))
    return found


def _limits_items() -> list[tuple[str, Any, Any, int]]:
    items: list[tuple[str, Any, Any, int]] = []
    for who, kind, seconds, cost in EIGHT:
        item = limits.RateLimitItemPerSecond(_MUCH, seconds)
        items.append((who, "sliding" if kind == "sliding" else "fixed", item, cost))
    return items


def _limits_async(url: str) -> Ask:
    storage = limits_aio_storage.RedisStorage(f"async+redis+{url}", implementation="redispy")
    ways = {
        "sliding": limits_aio.SlidingWindowCounterRateLimiter(storage),
        "fixed": limits_aio.FixedWindowRateLimiter(storage),
    }
    items = _limits_items()

    async def ask(number: int) -> None:
        for who, kind, item, cost in items:
            if not await ways[kind].hit(item, who, str(number), cost=cost):
                raise RuntimeError("a decision is not as expected")

    return ask


def _limits_blocking(url: str) -> Ask:
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


def _throttled_async(url: str) -> Ask:
    throttles = _throttles(throttled_aio, throttled_aio.RedisStore(server=url))

    async def ask(number: int) -> None:
        for who, throttle, cost in throttles:
            if (await throttle.limit(f"{who}:{number}", cost=cost)).limited:
                raise RuntimeError("a decision is not as expected")

    return ask


def _throttled_blocking(url: str) -> Ask:
    throttles = _throttles(throttled, throttled.RedisStore(server=url))

    def ask(number: int) -> None:
        for who, throttle, cost in throttles:
            if throttle.limit(f"{who}:{number}", cost=cost).limited:
                raise RuntimeError("a decision is not as expected")

    return ask


async def _spent(redis: Any) -> tuple[float, int]:
    """Processor seconds of the server, and how often it read from a connection: nobody here sends two at once."""
    info = await redis.info("everything")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"]), int(info["total_reads_processed"])
