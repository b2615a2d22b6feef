"""Bounded traffic against a stack, with a record of every answer: for tests of what happens under it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import grpc
from grpc import aio
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub

from cli.asking import by_jwt, question
from cli.members import Administrator
from embedded.stack import Stack

DEADLINE = 2.0
TEXT = "Call me on 212-555-0147 about the order, please."


@dataclass(frozen=True)
class Answered:
    """One request: when, how long, and what came."""

    started: float
    ended: float
    allowed: bool
    degraded: bool
    status: grpc.StatusCode
    reason: str

    @property
    def seconds(self) -> float:
        return self.ended - self.started


@dataclass
class Traffic:
    """Clients that send one request after the other until told to stop."""

    stack: Stack
    users: list[str]
    answers: list[Answered] = field(default_factory=list)
    _clients: list[asyncio.Task[None]] = field(default_factory=list)
    _stop: bool = False

    @classmethod
    async def of(cls, stack: Stack, users: int) -> Traffic:
        names = [f"traffic-{number:03}" for number in range(users)]
        await Administrator(stack).add(names)
        return cls(stack, names)

    def start(self, clients: int, pause: float = 0.02) -> None:
        self._clients = [asyncio.create_task(self._client(number, clients, pause)) for number in range(clients)]

    async def stop(self) -> None:
        self._stop = True
        await asyncio.gather(*self._clients)

    async def _client(self, number: int, clients: int, pause: float) -> None:
        mine = self.users[number::clients]
        tokens = {user: self.stack.user_jwt(user) for user in mine}
        sent = 0
        while not self._stop and sent < 14 * len(mine):  # below every limit: what is refused is refused by the outage
            await self._one(tokens[mine[sent % len(mine)]])
            sent += 1
            await asyncio.sleep(pause)

    async def _one(self, token: str) -> None:
        started = time.monotonic()
        status, reason, allowed, degraded = grpc.StatusCode.OK, "", False, False
        try:
            ask = question(by_jwt(token), self.stack.brand, TEXT)
            answer = await GatewayServiceStub(self.stack.channel("gateway")).Admit(ask, timeout=DEADLINE)
            allowed, degraded = answer.outcome == decision.OUTCOME_ALLOW, answer.degraded
            reason = decision.Reason.Name(answer.reason)
        except aio.AioRpcError as error:
            status = error.code()
        self.answers.append(Answered(started, time.monotonic(), allowed, degraded, status, reason))
