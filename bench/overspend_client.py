"""One client process of the proof `overspend`.

It talks to Redis through the service's own adapters. Role `writer` writes the ledger down; role `client` reserves, and
in chaos also cancels, repeats, settles late, out of order and twice, or walks away. It may be killed at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.bootstrap.ledger import with_ledger
from services.ratelimit.policy import (
    Algorithm,
    Calendar,
    Costs,
    Group,
    Limit,
    Mode,
    OnExceed,
    OnExpiry,
    OnStoreError,
    Price,
    Subject,
    Unit,
)
from services.ratelimit.ports import Ask, BoundGroup, LimitStore, Reservation, Settled, Status, Use

AMOUNT = 700
HOLD_US = 2_000_000
LONG_HOLD_US = 3_000_000_000
DOLLAR = Price(1_000_000, 1_000_000)
_FLIGHT = 48
_REPORT = 200


@dataclass(frozen=True)
class Proof:
    """A proof that was minted for this run."""

    org_mac: str


def groups(budget: int) -> tuple[BoundGroup, ...]:
    """The exact budget under test, and beside it what must not move when the budget refuses."""
    base: dict[str, Any] = {
        "on_exceed": OnExceed.THROTTLE,
        "on_store_error": OnStoreError.CLOSED,
        "observe": False,
        "exact": True,
    }
    money = Limit(
        id="money", subject=Subject.ORGANISATION, unit=Unit.MICRO_USD, algorithm=Algorithm.CALENDAR, limit=budget,
        capacity=budget, window_seconds=0, calendar=Calendar.MONTH, on_expiry=OnExpiry.CHARGE, **base,
    )  # fmt: skip
    requests = Limit(
        id="requests", subject=Subject.USER_BRAND, unit=Unit.REQUESTS, algorithm=Algorithm.CALENDAR, limit=10**9,
        capacity=10**9, window_seconds=0, calendar=Calendar.MONTH, on_expiry=OnExpiry.CHARGE, **base,
    )  # fmt: skip
    flight = Limit(
        id="flight", subject=Subject.USER_BRAND, unit=Unit.CONCURRENCY, algorithm=Algorithm.LIVE, limit=10**6,
        capacity=10**6, window_seconds=0, calendar=None, on_expiry=OnExpiry.REFUND, **base,
    )  # fmt: skip
    return (
        BoundGroup(Group(Subject.ORGANISATION, (money,)), ("org",)),
        BoundGroup(Group(Subject.USER_BRAND, (requests, flight)), ("ub", "brand", "user")),
    )


class Client:
    """What one process does, and what it saw."""

    def __init__(self, plan: dict[str, Any], limits: LimitStore, store: RedisStore) -> None:
        self._plan = plan
        self._limits = limits
        self._store = store
        self._groups = groups(plan["budget"])
        self._random = random.Random(plan["seed"])
        self._done = 0
        self._journal = Path(plan["journal"]).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - lives as long
        self._counts = {"admitted": 0, "denied": 0, "errors": 0}
        self._taken: list[float] = []

    async def run(self) -> None:
        """Its share of the reserves, a bounded number in flight."""
        numbers = iter(range(self._plan["count"]))

        async def lane() -> None:
            for number in numbers:
                try:
                    await (self._chaos if self._plan["chaos"] else self._plain)(f"{self._plan['name']}-{number}")
                except Unavailable:
                    self._counts["errors"] += 1
                self._done += 1
                if self._done % _REPORT == 0:
                    await self._report(_REPORT)

        await asyncio.gather(*(lane() for _ in range(_FLIGHT)))
        await self._report(self._done % _REPORT)
        self._say(dict(self._counts))

    async def _plain(self, name: str) -> bool:
        started = time.perf_counter()
        admitted = await self._reserve(name)
        self._taken.append(time.perf_counter() - started)
        self._counts["admitted" if admitted else "denied"] += 1
        return admitted

    async def _chaos(self, name: str) -> None:
        pick = self._random.random()
        if pick < 0.03:
            await self._cancelled(self._reserve(name))
            return
        if pick < 0.08:  # the same request twice at once: charged once
            found = await asyncio.gather(self._reserve(name), self._reserve(name))
            admitted = any(found)
        else:
            admitted = await self._plain(name)
        if not admitted:
            return
        used = self._random.randint(0, AMOUNT)
        await self._settle(name, used, self._random.random())

    async def _settle(self, name: str, used: int, pick: float) -> None:
        if pick < 0.05:
            return  # abandoned: the money is charged when it expires
        if pick < 0.10:  # late: after it expired
            await asyncio.sleep(HOLD_US / 1e6 + 0.3)
            await self._commit(name, used)
        elif pick < 0.25:  # twice and three times at once
            await asyncio.gather(*(self._commit(name, used) for _ in range(3)))
        elif pick < 0.33:  # in the wrong order, and both at once
            await asyncio.gather(self._release(name), self._commit(name, used))
        elif pick < 0.38:
            await self._cancelled(self._commit(name, used))
        elif pick < 0.45:
            await self._release(name)
        else:
            await self._commit(name, used)

    async def _cancelled(self, call: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(call)
        await asyncio.sleep(self._random.random() * 0.004)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _reserve(self, name: str) -> bool:
        hold = HOLD_US if self._plan["chaos"] else LONG_HOLD_US
        costs = Costs(1, AMOUNT, AMOUNT, AMOUNT, AMOUNT)
        ask = Ask(self._plan["org"], self._groups, Mode.RESERVE, costs, DOLLAR, "gateway", name, hold)
        return (await self._limits.decide(ask)).status is Status.ALLOWED

    async def _commit(self, name: str, used: int) -> None:
        settled, charged = await self._limits.commit(self._named(name), Use(0, used, 0, DOLLAR))
        if settled in (Settled.APPLIED, Settled.EXPIRED):
            self._say({"id": name, "kind": "late" if settled is Settled.EXPIRED else "committed", "charged": charged})

    async def _release(self, name: str) -> None:
        if await self._limits.release(self._named(name), keep_requests=False) is Settled.APPLIED:
            self._say({"id": name, "kind": "released", "charged": 0})

    def _named(self, name: str) -> Reservation:
        return Reservation(self._plan["org"], name, "gateway")

    async def _report(self, more: int) -> None:
        # Told as it goes: a process that is killed has no last word.
        self._say({"taken": [round(taken, 6) for taken in self._taken[::10]]})
        self._taken.clear()
        with self._store.guard():
            await self._store.client.incrby("proof:done", more)

    def _say(self, what: dict[str, Any]) -> None:
        # A line that was cut by a kill has no end, and is not counted.
        self._journal.write(json.dumps(what, separators=(",", ":")) + "\n")


async def _main(plan: dict[str, Any]) -> None:
    store = RedisStore(plan["redis"], timeout_seconds=5.0)
    counters: Callable[..., RedisLimits] = RedisLimits
    if plan["role"] == "client" and not plan["database"]:
        await Client(plan, counters(store, SystemClock()), store).run()
        await store.close()
        return
    database = Database(plan["database"], acquire_seconds=5.0, statement_seconds=20.0)
    await database.open()
    made = with_ledger(store, database, SystemClock(), 50_000, proof=lambda: Proof(plan["proof"]))
    if plan["role"] == "writer":
        await made.background[0]()
    else:
        await Client(plan, made.limits, store).run()
    await database.close()
    await store.close()


def start(plan: dict[str, Any]) -> None:
    """What a process is started with."""
    asyncio.run(_main(plan))
