"""`audit_chaos`: kill -9 of the gateway, the audit service, PostgreSQL and Redis at random moments under load.

Every request that was answered with a decision is on record, exactly once, when all is back: `lost` and `twice` are 0,
and each chain verifies (`forks` 0). Changes of who may do what count as acknowledged when they were made.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from typing import Any

import psycopg
from grpc import aio
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub

from bench.admit import text
from bench.rows import Row, row
from bench.stacks import folder
from cli.asking import Gateway, by_jwt, question
from cli.members import Administrator
from embedded.processes import Processes, running_processes

_STORES = ("postgres", "redis")
_SERVICES = ("audit", "gateway")
_USERS = 60
_CLIENTS = 4
_PATIENCE = 90.0
_TXNS = """
SELECT convert_from(canonical, 'UTF8')::jsonb ->> 'txn', count(*) FROM audit.events
WHERE code = 'gateway.admit' GROUP BY 1
"""
_WAITING = "SELECT count(*) FROM audit.inbox"


async def run(small: bool) -> list[Row]:
    """One run with every kind of kill."""
    async with folder() as place, running_processes(place) as processes:
        return [await _measure(processes, kills=2 if small else 24, seed=9)]


async def _measure(processes: Processes, kills: int, seed: int) -> Row:
    users = [f"chaos-{number:03d}" for number in range(_USERS)]
    await Administrator(processes).add(users)
    tokens = [by_jwt(processes.user_jwt(user, ttl=3000)) for user in users]
    load = _Load(processes, tokens)
    clients = [asyncio.create_task(load.client(first)) for first in range(_CLIENTS)]
    killed = await _kill(processes, kills, random.Random(seed))
    await asyncio.sleep(2)
    load.ends = True
    await asyncio.gather(*clients)
    stored = await _settled(processes, load.acknowledged)
    verified = await _verify(processes)
    return row(
        "kill -9 under load",
        load.taken,
        kills=sum(killed.values()),
        **{f"killed_{name}": count for name, count in sorted(killed.items())},
        asked=load.asked,
        acknowledged=len(load.acknowledged),
        lost=len(load.acknowledged - stored.keys()),
        twice=sum(count > 1 for txn, count in stored.items() if txn in load.acknowledged),
        forks=0 if verified else 1,
    )


class _Load:
    """Requests that go on whatever happens."""

    def __init__(self, processes: Processes, tokens: list[Any]) -> None:
        self._processes, self._tokens = processes, tokens
        self._gateway = Gateway(processes.channel("gateway"))
        self.acknowledged: set[str] = set()
        self.taken: list[float] = []
        self.asked = 0
        self.ends = False

    async def client(self, number: int) -> None:
        """One after the other."""
        while not self.ends:
            self.asked += 1
            credential = self._tokens[self.asked % len(self._tokens)]
            asked = question(credential, self._processes.brand, text(self.asked), conversation=f"chaos-{number}")
            started = time.perf_counter()
            try:
                answer = await self._gateway.admit(asked)
            except aio.AioRpcError:
                await asyncio.sleep(0.02)
                continue
            self.taken.append(time.perf_counter() - started)
            if answer.txn:
                self.acknowledged.add(answer.txn)


async def _kill(processes: Processes, kills: int, chance: random.Random) -> Counter[str]:
    """At random moments; who died is started again by its supervisor, or here."""
    killed: Counter[str] = Counter()
    victims = [(*_STORES, *_SERVICES)[number % 4] for number in range(kills)]
    chance.shuffle(victims)
    for name in victims:
        await asyncio.sleep(chance.uniform(0.2, 2.5))
        if name in _STORES:
            pid = processes.stores.supervisor.pids().get(name)
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        else:
            child = processes.children[name]
            child.kill()
            await child.wait()
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            await processes.start(name)
        killed[name] += 1
    await processes.ready()
    return killed


async def _settled(processes: Processes, acknowledged: set[str]) -> dict[str, int]:
    """What is stored, once everything that was acknowledged is, or patience ends."""
    until = time.monotonic() + _PATIENCE
    dsn = processes.stores.postgres.admin_dsn
    while True:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            waiting = await (await connection.execute(_WAITING)).fetchone()
            rows = await (await connection.execute(_TXNS)).fetchall()
        stored = {str(txn): int(count) for txn, count in rows}
        if (acknowledged <= stored.keys() and waiting == (0,)) or time.monotonic() > until:
            return stored
        await asyncio.sleep(0.5)


async def _verify(processes: Processes) -> bool:
    stub = AuditServiceStub(processes.channel("audit"))
    own = await stub.Verify(pb.VerifyRequest(), timeout=30, metadata=await Administrator(processes).metadata())
    operator = AuditServiceStub(processes.channel("audit", "operator"))
    platform = await operator.VerifyPlatform(pb.VerifyPlatformRequest(), timeout=30)
    return bool(own.intact and platform.intact)
