"""One Redis and the run's PostgreSQL, for what is said about the ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg

from bench.redis_servers import Node, command, one_server
from services.kit.clock import SystemClock
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.ratelimit.bootstrap.ledger import Durable, with_ledger
from services.ratelimit.policy import Algorithm, Calendar, Mode, Price, Unit
from services.ratelimit.ports import LimitStore, Reservation, Status
from tests.contract.ratelimit.support import SECOND, ask, fresh, group, limit
from tests.support.stores import DataStores, Holder

BUDGET = group(limit(Algorithm.CALENDAR, 1000, Calendar.DAY, Unit.MICRO_USD, exact=True))
DOLLAR = Price(1_000_000, 1_000_000)  # a millionth for each token
RATE = group(limit(Algorithm.SLIDING, 1000, 3600))


@dataclass
class House:
    """One Redis of its own, the run's PostgreSQL, and as many processes as are asked for."""

    node: Node
    stores: DataStores
    org: str
    database: Database
    redis: RedisStore

    def process(self, entries: int = 1000, proof: str = "") -> Durable:
        holder = Holder(proof or self.stores.proof(self.org))
        return with_ledger(self.redis, self.database, SystemClock(), entries, proof=lambda: holder)

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.stores.admin_dsn, autocommit=True) as admin:
            return admin.execute(statement, {"org": self.org}).fetchall()

    def spent(self) -> list[int]:
        found = self.rows("SELECT amount FROM ratelimit.spent WHERE org_id = %(org)s")
        return [int(str(row[0])) for row in found]


@asynccontextmanager
async def opened(data_stores: DataStores) -> AsyncIterator[House]:
    """The house, for one test."""
    database = Database(data_stores.service_dsn("ratelimit"))
    await database.open()
    async with one_server() as node:
        redis = RedisStore(f"redis://127.0.0.1:{node.port}", timeout_seconds=1.0)
        yield House(node, data_stores, fresh("ledger"), database, redis)
        await redis.close()
    await database.close()


@asynccontextmanager
async def running(process: Durable) -> AsyncIterator[LimitStore]:
    """The process with its writer."""
    tasks = [asyncio.ensure_future(work()) for work in process.background[:1]]
    try:
        yield process.limits
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def reserve(limits: LimitStore, org: str, amount: int, name: str = "", hold: int = 60 * SECOND) -> Status:
    answer = await ask(limits, org, {"u": BUDGET}, Mode.RESERVE, micro_usd=amount, request=name, hold=hold)
    return answer.status


def of(house: House, name: str) -> Reservation:
    return Reservation(house.org, name, "gateway")


async def drained(house: House) -> None:
    """Everything is written down and has left the stream."""
    for _ in range(250):
        if await command(house.node, "XLEN", f"hk:ratelimit:{{{house.org}}}:log") == 0:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the stream was never empty")


async def eventually(check: object, seconds: float = 5.0) -> None:
    for _ in range(int(seconds * 50)):
        if check():  # type: ignore[operator]
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to be")
