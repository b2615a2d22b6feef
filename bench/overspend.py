"""`overspend`: reserves from several processes against one exact budget. A figure that is not exact is an error.

`race`: nothing is settled, so exactly what fits is admitted. At each sampled moment the counter fits the budget and
is the sum of all holds; what stands beside the budget counts the admitted and nobody else. `chaos`: clients and the
writer of the ledger are killed with SIGKILL, calls are cancelled, settlements come twice, late, reordered or never. In
the end no hold is left, and counter, ledger and what clients were told agree to the last micro-USD.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench.overspend_client import AMOUNT, DOLLAR, HOLD_US, groups, start
from bench.overspend_house import House, opened
from bench.rows import Row, row
from services.kit.clock import SystemClock
from services.kit.redis import RedisStore, Script
from services.ratelimit.adapters.redis_limits import RedisLimits, lua
from services.ratelimit.policy import Costs, Mode
from services.ratelimit.ports import Ask

ORG = "proof"
FULL, SMALL = 1_000_000, 3_000
CLIENTS = 3
_FITS_PERCENT = 10
# Whoever takes the place of a killed one is forked from a process that has read the code: what is killed is at work
# again at once, and not for two seconds of a processor later.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["bench.overspend_client"])
Child = multiprocessing.context.ForkServerProcess
_PREFIX = f"hk:ratelimit:{{{ORG}}}:"
# Counter, what stands beside it, holds, and (when asked) their sum: all at one moment.
_LOOK = Script(
    "proof look",
    lua("state")
    + """
local function counter(key)
  for i, value in ipairs(redis.call('HVALS', key)) do
    local _, cur = read_state(value)
    if cur then return cur end
  end
  return 0
end
local sum = 0
if ARGV[1] == '1' then
  for _, key in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    local raw = redis.call('GET', key)
    local hold = raw and cmsgpack.unpack(raw)
    if hold and hold.s == 'held' then
      sum = sum + hold.e[5]
    end
  end
end
local flight = redis.call('ZCARD', KEYS[2] .. ':live')
return {counter(KEYS[1]), counter(KEYS[2]), redis.call('ZCARD', KEYS[3]), sum, flight}
""",
)


class BrokenProofError(AssertionError):
    """The limiter did what it must not; the text says what."""


def require(true: bool, text: str) -> None:
    """Raises BrokenProofError unless it is true."""
    if not true:
        raise BrokenProofError(text)


@dataclass
class Seen:
    """What was sampled and done while the clients ran."""

    samples: int = 0
    kills: int = 0
    seconds: float = 0.0
    taken: list[float] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=lambda: defaultdict(int))


async def run(small: bool) -> list[Row]:
    """Both cases at `SMALL` or `FULL` reserves."""
    return [row for case in CASES.values() for row in await case(small)]


async def race(count: int, clients: int = CLIENTS) -> Row:
    """`count` reserves, of which exactly those that fit are admitted."""
    budget = count * AMOUNT * _FITS_PERCENT // 100 + AMOUNT // 2
    async with opened(database=False) as house, aclosing(_Proof(house, budget, chaos=False)) as proof:
        seen = await proof.play(count, clients)
        counter, beside, holds, _, flight = await proof.look()
        fits = budget // AMOUNT
        require(seen.totals["admitted"] == fits, f"admitted {seen.totals['admitted']} of {fits} that fit")
        require(counter == fits * AMOUNT <= budget, f"the counter says {counter}")
        require(beside == fits and holds == fits and flight == fits, "a denied request was charged beside the budget")
        require(seen.totals["errors"] == 0, "calls failed")
    more = {"admitted": fits, "fits": fits, "overspent": 0, "denied_charged": 0, "samples": seen.samples}
    return _row("race", seen, count, clients, more)


async def chaos(count: int, clients: int = CLIENTS, kill_every: float = 4.0) -> Row:
    """At least `count` reserves while everything goes wrong that may."""
    budget = count * AMOUNT * _FITS_PERCENT // 200 + AMOUNT // 2
    async with opened(database=True) as house, aclosing(_Proof(house, budget, chaos=True)) as proof:
        seen = await proof.play(count, clients, kill_every=kill_every)
        ledger = await proof.settle_down()
        counter, beside, holds, _, flight = await proof.look()
        require(holds == 0 and flight == 0, f"{holds} holds and {flight} in flight are left")
        require(counter <= budget, f"{counter} of {budget} are spent")
        require(sum(ledger.values()) == counter, f"ledger {sum(ledger.values())}, counter {counter}")
        told = list(proof.told())
        wrong = [name for name, charged in told if ledger.get(name) != charged]
        require(not wrong, f"{len(wrong)} requests were charged otherwise than their client was told")
        require(beside <= len(ledger), "a denied request was charged beside the budget")
    more = {
        "settled": len(ledger),
        "checked": len(told),
        "kills": seen.kills,
        "overspent": 0,
        "leaked_holds": 0,
        "double_charges": 0,
        "samples": seen.samples,
    }
    return _row("chaos", seen, count, clients, more)


def _row(case: str, seen: Seen, count: int, clients: int, more: dict[str, Any]) -> Row:
    found = row(case, seen.taken or [0.0], **more, processes=clients)
    return {**found, "n": count, "per_second": round(count / seen.seconds, 1), "took_s": round(seen.seconds, 1)}


async def _race(small: bool) -> list[Row]:
    return [await race(SMALL if small else FULL)]


async def _chaos(small: bool) -> list[Row]:
    return [await chaos(SMALL if small else FULL)]


CASES = {"race": _race, "chaos": _chaos}


class _Proof:
    """One budget, the processes that draw on it, and whoever looks at it meanwhile."""

    def __init__(self, house: House, budget: int, *, chaos: bool) -> None:
        self._house = house
        self._budget = budget
        self._chaos = chaos
        self._store = RedisStore(house.redis, timeout_seconds=10.0)
        self._folder = Path(tempfile.mkdtemp(prefix="hk-proof-"))
        self._numbers = iter(range(1, 1_000_000))
        self._random = random.Random(1)

    async def play(self, count: int, clients: int, kill_every: float = 0.0) -> Seen:
        """Lets the clients run to their end, or kills them until enough was done."""
        seen = Seen()
        started = time.perf_counter()
        share = -(-count // clients) if not self._chaos else count
        shares = (
            [min(share, count - share * number) for number in range(clients)] if not self._chaos else [share] * clients
        )
        running = [self._start("client", amount) for amount in shares]
        writer = self._start("writer", 0) if self._chaos else None
        last_kill = time.perf_counter()
        try:
            while not await self._over(count, running):
                await self._sample(seen)
                if kill_every and time.perf_counter() - last_kill > kill_every:
                    last_kill = time.perf_counter()
                    victim = self._random.randrange(clients + 1)
                    if victim == clients and writer:
                        await _kill(writer)
                        writer = self._start("writer", 0)
                    else:
                        await _kill(running[min(victim, clients - 1)])
                        running[min(victim, clients - 1)] = self._start("client", share)
                    seen.kills += 1
                await asyncio.sleep(0.02)
            seen.seconds = time.perf_counter() - started
        finally:
            for process in [*running, *([writer] if writer else [])]:
                await _kill(process)
        self._gather(seen)
        return seen

    async def _over(self, count: int, running: list[Child]) -> bool:
        if not self._chaos:
            return not any(child.is_alive() for child in running)
        with self._store.guard():
            done = await self._store.client.get("proof:done")
        return int(done or 0) >= count

    async def _sample(self, seen: Seen) -> None:
        counter, beside, holds, held, _ = await self.look(sums=self._chaos)
        require(counter <= self._budget, f"{counter} of {self._budget} were spent at a sampled moment")
        if self._chaos:
            require(held <= counter, f"holds of {held} in a counter of {counter}")
        else:
            require(counter == holds * AMOUNT and beside == holds, "counter and holds differed at a sampled moment")
        seen.samples += 1

    async def look(self, *, sums: bool = False) -> list[int]:
        """Counter, requests beside it, holds, their sum, in flight."""
        keys = [f"{_PREFIX}org", f"{_PREFIX}ub:brand:user", f"{_PREFIX}hx"]
        return [int(value) for value in await self._store.run(_LOOK, keys, [int(sums)])]

    async def settle_down(self) -> dict[str, int]:
        """Waits until every abandoned hold has ended and all is written down; the money of each request."""
        await asyncio.sleep(HOLD_US / 1e6 + 0.5)
        limits = RedisLimits(self._store, SystemClock(), ledger=50_000)
        while (await self.look())[2]:
            name = f"reap-{next(self._numbers)}"
            costs = Costs(0, 0, 0)
            await limits.decide(Ask(ORG, groups(self._budget), Mode.TAKE, costs, DOLLAR, "gateway", name))
        writer = self._start("writer", 0)
        for _ in range(6000):
            with self._store.guard():
                if not await self._store.client.xlen(f"{_PREFIX}log"):
                    break
            await asyncio.sleep(0.1)
        await _kill(writer)
        return await asyncio.to_thread(self._ledger)

    def _ledger(self) -> dict[str, int]:
        with psycopg.connect(self._house.admin, autocommit=True) as admin:
            left = admin.execute("SELECT count(*) FROM ratelimit.holds").fetchone()
            require(left == (0,), f"holds in the ledger: {left}")
            twice = admin.execute(
                "SELECT count(*) FROM (SELECT FROM ratelimit.ledger WHERE kind <> 'late' GROUP BY request_id"
                " HAVING count(*) > 1) AS doubled"
            ).fetchone()
            require(twice == (0,), f"requests that were settled twice: {twice}")
            rows = admin.execute(
                "SELECT l.request_id, coalesce(sum((c ->> 4)::bigint) FILTER (WHERE c ->> 1 LIKE 'money|%'), 0)::bigint"
                " FROM ratelimit.ledger l LEFT JOIN LATERAL jsonb_array_elements(l.charges) c ON true GROUP BY 1"
            ).fetchall()
        return {str(name): int(amount) for name, amount in rows}

    def told(self) -> Iterator[tuple[str, int]]:
        """What clients were told of their settlements, as far as they lived to write it down."""
        for line in self._lines():
            if "id" in line:
                yield line["id"], line["charged"]

    def _lines(self) -> Iterator[dict[str, Any]]:
        for file in self._folder.iterdir():
            for text in file.read_text(encoding="utf-8").splitlines(keepends=True):
                if text.endswith("}\n"):
                    yield json.loads(text)

    def _gather(self, seen: Seen) -> None:
        for line in self._lines():
            seen.taken += line.get("taken", [])
            if "admitted" in line:
                for name, amount in line.items():
                    seen.totals[name] += amount

    def _start(self, role: str, count: int) -> Child:
        number = next(self._numbers)
        plan = {
            "role": role, "name": f"c{number}", "count": count, "chaos": self._chaos, "seed": number, "org": ORG,
            "budget": self._budget, "redis": self._house.redis, "database": self._house.database,
            "proof": self._house.proof(ORG), "journal": str(self._folder / f"{number}"),
        }  # fmt: skip
        child: Child = _FORKS.Process(target=start, args=(plan,), daemon=True)
        child.start()
        return child

    async def aclose(self) -> None:
        """Removes what was written beside."""
        await self._store.close()
        shutil.rmtree(self._folder, ignore_errors=True)


async def _kill(child: Child) -> None:
    child.kill()  # SIGKILL
    await asyncio.to_thread(child.join)
