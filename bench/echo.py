"""`echo`: an empty unary call of grpc.aio over loopback, without TLS: the yardstick of every other figure.

The server is a process of its own, so that it is a real round trip between two event loops, like any call of a backend.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from grpc import aio

from bench.rows import Row, row

METHOD = "/hauberk.bench.Echo/Call"
WARM_UP = 200


class Echo:
    """A client of the echo server."""

    def __init__(self, channel: aio.Channel) -> None:
        self._call: Any = channel.unary_unary(METHOD, Empty.SerializeToString, Empty.FromString)

    async def times(self, n: int) -> list[float]:
        """Seconds of `n` calls, one in flight."""
        taken = []
        empty = Empty()
        for _ in range(n):
            started = time.perf_counter()
            await self._call(empty, timeout=5)
            taken.append(time.perf_counter() - started)
        return taken


@asynccontextmanager
async def running() -> AsyncIterator[Echo]:
    """An echo server in a process of its own, warmed up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.echo", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 20))
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            echo = Echo(channel)
            await echo.times(WARM_UP)
            yield echo
    finally:
        process.stdin.close()  # it ends with its standard input, also when this process is killed
        await process.wait()


async def run(small: bool) -> list[Row]:
    """The yardstick itself."""
    async with running() as echo:
        return [row("empty call, one in flight", await echo.times(500 if small else 5000))]


async def serve() -> None:
    """Serves until standard input ends."""

    async def answer(request: Empty, _context: Any) -> Empty:
        return request

    method = grpc.unary_unary_rpc_method_handler(answer, Empty.FromString, Empty.SerializeToString)
    server = aio.server()
    service, name = METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(serve())
