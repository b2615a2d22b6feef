"""The OpenAI SDK before a real Envoy with the shipped ext_proc, the gateway of a stack, and a stand-in model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
from redis.asyncio import Redis

from cli.members import Administrator
from embedded.stack import Stack
from tests.support.backend import fresh
from tests.support.envoy import GATEWAY, Document, Door, configured, manager_of, running
from tests.support.model_server import ModelServer
from tests.support.waiting import eventually

# Free in money, so that only tokens and requests are counted.
MODEL = "self-hosted"


@dataclass
class ModelFront:
    """What a product has: an address, and a credential of each of its users."""

    stack: Stack
    model: ModelServer
    door: Door
    raw: httpx.AsyncClient = field(repr=False)
    clients: list[openai.AsyncOpenAI] = field(default_factory=list, repr=False)

    async def user(self) -> str:
        """A user whose limits nobody has spent."""
        name = fresh("openai")
        await Administrator(self.stack).add([name])
        return name

    def client(self, user: str, **more: Any) -> openai.AsyncOpenAI:
        """The unmodified SDK, as this user."""
        # Who asks is decided within 180 ms; a machine that tests may be too busy for that, and then nothing happened.
        more.setdefault("max_retries", 4)
        more.setdefault("timeout", 15)
        return self.with_key(self.stack.user_jwt(user), **more)

    def with_key(self, key: str, **more: Any) -> openai.AsyncOpenAI:
        """The same with any credential."""
        base = str(self.raw.base_url).rstrip("/")
        made = openai.AsyncOpenAI(api_key=key, base_url=f"{base}/v1", **more)
        self.clients.append(made)
        return made

    async def close(self) -> None:
        """Closes what was made."""
        for client in self.clients:
            await client.close()

    async def holds(self) -> set[str]:
        """Reservations that are neither settled nor over."""
        client: Any = Redis.from_url(self.stack.stores.redis.url)
        try:
            rows = await client.zrange(f"hk:ratelimit:{{{self.stack.organisation}}}:hx", 0, -1)
            return {row.decode().rpartition(":h:")[2] for row in rows}
        finally:
            await client.aclose()

    async def nothing_is_held(self, before: set[str], seconds: float = 5.0) -> bool:
        """Whether every reservation made since is settled, soon."""

        async def settled() -> bool:
            return not (await self.holds()) - before

        return await eventually(settled, seconds)


def _hurried(document: Document) -> None:
    manager_of(document)["delayed_close_timeout"] = "0.05s"  # a connection that breaks off is kept for a second


@asynccontextmanager
async def model_front(stack: Stack) -> AsyncIterator[ModelFront]:
    """Envoy with deploy/envoy/ext_proc.yaml before a model."""
    async with ModelServer().serving() as model, Door(int(stack.address.rpartition(":")[2])).serving() as door:
        ports = {"model": model.port, GATEWAY: door.port}
        path, port = configured("ext_proc.yaml", stack.folder, ports, stack.client("envoy/edge"), _hurried)
        async with running(path, port) as raw:
            made = ModelFront(stack, model, door, raw)
            yield made
            await made.close()
