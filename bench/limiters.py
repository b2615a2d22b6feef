"""The limiter without its service, beside `limits` and `throttled-py`: the same eight limits on the same Redis.

Everyone takes turns in one run. The peers (`bench.peers`) need eight calls for a decision. `per_redis_core` is what one
core of Redis could decide by the processor time that the server says it used, network included; `client_us` is the
processor time of the client; `round_trips` is how often Redis read from a connection: what was written together counts
once. Over the socket of a server on the same machine a round trip costs next to nothing, so that everybody is also
asked over a relay that makes one cost what it does to another machine. `empty script` is the least that any decision by
a script costs here.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from bench.distance import away
from bench.peers import (
    EIGHT,
    LIMITS,
    THROTTLED,
    Ask,
    limits_async,
    limits_blocking,
    throttled_async,
    throttled_blocking,
)
from bench.rows import Row, row
from embedded.redis import RedisServer
from services.kit.clock import SystemClock
from services.kit.redis import RedisStore, Script
from services.ratelimit.adapters.local_share import MemoryShare
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.limiter import Limiter, Request
from services.ratelimit.policy import Identity, Mode, Outcome, PolicyDocument

ROUNDS = 10
FAR = 1.0  # milliseconds, at least
MANY = 16
_ORG = "bench"


@dataclass
class Contender:
    """One way to decide over eight limits; `flight` requests at once, in as many threads where it is `blocking`. `kind`
    names it in the comparisons; ours has none."""

    name: str
    ask: Ask
    flight: int = 1
    subjects: int = 1000
    kind: str = ""
    blocking: bool = False
    far: bool = False
    taken: list[float] = field(default_factory=list)
    busy: float = 0.0
    cpu: float = 0.0
    own_cpu: float = 0.0
    reads: int = 0

    @property
    def mine(self) -> bool:
        """Whether it is the limiter of this house."""
        return not self.kind

    def forget(self) -> None:
        """What came before was to warm up."""
        self.taken, self.busy, self.cpu, self.own_cpu, self.reads = [], 0.0, 0.0, 0.0, 0

    def warm_up(self, *, small: bool) -> int:
        """How many requests come first: connections, scripts, and state for whom will be asked for."""
        if self.far:
            return 3 if small else 10
        return 50 if small else self.subjects

    async def turn(self, numbers: range, redis: Any) -> None:
        """Decides for each of these subjects, and adds up what it took."""
        cpu, reads = await _spent(redis)
        started, own_cpu = time.perf_counter(), time.process_time()
        waiting = iter(numbers)
        if not self.blocking:
            await asyncio.gather(*(self._one_after_another(waiting) for _ in range(self.flight)))
        elif self.flight == 1:
            self._each(numbers)
        else:
            # The loop has nothing else to do; what matters is that the threads have their own requests.
            shares = [numbers[start :: self.flight] for start in range(self.flight)]
            with ThreadPoolExecutor(self.flight) as threads:
                list(threads.map(self._each, shares))
        self.busy += time.perf_counter() - started
        self.own_cpu += time.process_time() - own_cpu
        after_cpu, after_reads = await _spent(redis)
        self.cpu += after_cpu - cpu
        self.reads += after_reads - reads - 1  # the question itself

    def _each(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            before = time.perf_counter()
            self.ask(number % self.subjects)
            self.taken.append(time.perf_counter() - before)

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
            "client_us": round(self.own_cpu / n * 1e6, 1),
            "round_trips": round(self.reads / n, 2),
        }


async def run(server: RedisServer, policy: PolicyDocument, *, small: bool) -> list[Row]:
    """A row for each contender; ours carry how many times more they decide than each peer of the same kind."""
    n = 100 if small else 10_000
    async with AsyncExitStack() as exits:
        store = RedisStore(server.url)
        exits.push_async_callback(store.close)
        socket = await exits.enter_async_context(away(server.socket, FAR))
        far = server.url.replace(str(server.socket), str(socket))
        far_store = RedisStore(far)
        exits.push_async_callback(far_store.close)
        ours = await _ours(store, policy, small)
        contenders = [*ours, *_peers(server.url), *_far(far, far_store, policy)]
        for contender in contenders:
            await contender.turn(range(contender.warm_up(small=small)), store.client)
            contender.forget()
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
    """Ours beside everybody else with as many in flight."""
    found = [(contender, contender.row()) for contender in contenders]
    for ours, mine in found:
        if ours.far:
            mine["round_trip_ms"] = away_ms
        for peer, theirs in found:
            if ours.mine and not peer.mine and (peer.flight, peer.far) == (ours.flight, ours.far):
                mine[f"x_{peer.kind}"] = round(mine["per_second"] / theirs["per_second"], 2)
                mine[f"x_{peer.kind}_per_core"] = round(mine["per_redis_core"] / theirs["per_redis_core"], 2)
    return [each for _, each in found]


async def _ours(store: RedisStore, policy: PolicyDocument, small: bool) -> list[Contender]:
    take, many = _take(store, policy), 500 if small else 100_000
    # The marks of whole budgets: without one nothing is decided about money. The stream is read by nobody here.
    await store.client.set(f"hk:ratelimit:{{{_ORG}}}:seeded", "1")
    written, words = _take(store, policy, ledger=10**8), "TAKE 8, limiter alone"
    return [
        Contender(f"{words}, 1 subject", take, subjects=1),
        Contender(f"{words}, 1000 subjects", take),
        Contender(f"{words}, {many} subjects", take, subjects=many),
        Contender(f"{words}, {MANY} in flight", take, MANY),
        Contender(f"{words}, for the ledger", written),
        Contender(f"{words}, for the ledger, {MANY} in flight", written, MANY),
    ]


def _far(url: str, store: RedisStore, policy: PolicyDocument) -> list[Contender]:
    """As if Redis were on another machine, as it mostly is."""
    mine = Contender("TAKE 8, limiter alone, far Redis", _take(store, policy))
    found = [mine, *_of_libraries(url, 1)]
    for contender in found:
        contender.far = True
        contender.name = contender.name.removesuffix(", far Redis") + ", far Redis"
    return found


def _take(store: RedisStore, policy: PolicyDocument, ledger: int = 0) -> Ask:
    clock = SystemClock()
    limiter = Limiter(RedisLimits(store, clock, ledger=ledger), MemoryShare(clock, 100), policy)
    serial, name = itertools.count(), f"alone-{id(store)}-{ledger}"

    async def take(number: int) -> None:
        identity = Identity(_ORG, "pro", f"key_{number:016d}", f"user-{number}", "shop")
        wanted = Request(Mode.TAKE, f"{name}-{next(serial):012d}", 1, 300, 200, "gpt-4o")
        decision = await limiter.decide(identity, "gateway", wanted)
        if decision.outcome is not Outcome.ALLOW or len(decision.standings) != len(EIGHT):
            raise RuntimeError("a decision is not as expected")

    return take


def _empty(url: str) -> Ask:
    store, script = RedisStore(url), Script("nothing", "return 1")

    async def ask(_number: int) -> None:
        await store.run(script, ["hk:ratelimit:{bench}:none"], [])

    return ask


def _peers(url: str) -> list[Contender]:
    empty = _empty(url)
    return [
        *_of_libraries(url, 1),
        *_of_libraries(url, MANY),
        Contender("empty script", empty, kind="empty_script"),
        Contender(f"empty script, {MANY} in flight", empty, MANY, kind="empty_script"),
    ]


def _of_libraries(url: str, flight: int) -> list[Contender]:
    words = f", {flight} in flight" if flight > 1 else ""
    blocking = f"blocking, {flight} threads" if flight > 1 else "blocking"
    found = []
    for name, kind, asking, waiting in (
        (LIMITS, "limits", limits_async, limits_blocking),
        (THROTTLED, "throttled_py", throttled_async, throttled_blocking),
    ):
        found.append(Contender(f"{name}{words}", asking(url), flight, kind=kind))
        found.append(Contender(f"{name}, {blocking}", waiting(url), flight, kind=f"{kind}_blocking", blocking=True))
        if flight == 1:
            found.append(Contender(f"{name}, gathered", asking(url, gathered=True), kind=f"{kind}_gathered"))
    return found


async def _spent(redis: Any) -> tuple[float, int]:
    """Processor seconds of the server, and how often it read from a connection: nobody here sends two at once."""
    info = await redis.info("everything")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"]), int(info["total_reads_processed"])
