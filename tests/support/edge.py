"""The HTTP edge in front of a running stack, and a client that trusts its certificate."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from embedded import edge
from embedded.stack import Stack


@dataclass(frozen=True)
class Edge:
    """An edge on a port of its own."""

    stack: Stack
    address: str
    client: httpx.AsyncClient
    brand: str = ""

    def key(self, key: str = "") -> dict[str, str]:
        """The field of an API key; of the first organisation's when none is given."""
        return {"x-api-key": key or self.stack.api_key}

    def user(self, name: str, organisation: str = "") -> dict[str, str]:
        """The field of a user's own token."""
        return {"authorization": f"Bearer {self.stack.user_jwt(name, organisation)}"}

    def at(self, brand: str) -> dict[str, str]:
        """The Host field of a brand."""
        return {"host": f"{brand}.localhost:{self.address.rpartition(':')[2]}"}


@asynccontextmanager
async def edge_of(stack: Stack, **settings: Any) -> AsyncIterator[Edge]:
    """An edge over the servers of a stack; no second stack is started."""
    async with AsyncExitStack() as exits:
        address = await edge.start(exits, 0, stack.layout, stack._servers, stack._tracing, **settings)
        context = ssl.create_default_context(cafile=stack.layout.tls / "ca.crt")
        base = f"https://{address}"
        client = await exits.enter_async_context(httpx.AsyncClient(base_url=base, verify=context, timeout=10))
        yield Edge(stack, address, client)
