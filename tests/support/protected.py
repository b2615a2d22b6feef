"""Services of a product behind hauberk_client's guards, over ASGI and gRPC, and what asks them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc import aio

from hauberk_client import Guard, ProtectedCalls, current_caller
from hauberk_client.asgi import Scope

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
PEER = ("192.0.2.177", 50000)


class Product:
    """An ASGI application that says who asks, and counts what reaches it."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        self.reached.append(scope["type"])
        if scope["type"] != "http":
            return
        who = current_caller().subject if "hauberk" in scope else "nobody"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": who.encode()})


async def asked(app: Any, *authorization: str, kind: str = "http", path: str = "/orders", **more: Any) -> list[Any]:
    """What the application sends to a client who presents these."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", value.encode("latin-1")) for value in authorization]
    await app({"type": kind, "path": path, "headers": headers, "client": PEER, **more}, receive, send)
    return sent


Call = Callable[..., Any]


@asynccontextmanager
async def serving(
    guard: Guard, *, inside: Callable[[], Awaitable[object]] | None = None, **options: Any
) -> AsyncIterator[Call]:
    """A gRPC service with a method of every kind that says who asks; yields what calls one of them."""

    async def unary(request: Any, context: Any) -> bytes:
        if inside:
            await inside()
        return current_caller().subject.encode()

    async def stream(request: Any, context: Any) -> AsyncIterator[bytes]:
        yield current_caller().subject.encode()

    handlers = {
        kind: getattr(grpc, f"{kind}_rpc_method_handler")(stream if kind.endswith("stream") else unary)
        for kind in KINDS
    }
    server = aio.server(interceptors=[ProtectedCalls(guard, **options)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:

        async def call(kind: str, *authorization: str, method: str = "", more: Sequence[tuple[str, str]] = ()) -> str:
            async def silent() -> AsyncIterator[bytes]:
                yield b""

            metadata = [*more, *(("authorization", value) for value in authorization)]
            asking = getattr(channel, kind)(f"/shop.Shop/{method or kind}")
            argument = silent() if kind.startswith("stream") else b""
            try:
                pending = asking(argument, metadata=metadata, timeout=3)
                answers = [answer async for answer in pending] if kind.endswith("stream") else [await pending]
            except aio.AioRpcError as error:
                return str(error.code().name)
            return b"".join(answers).decode()

        yield call
    await server.stop(0)
