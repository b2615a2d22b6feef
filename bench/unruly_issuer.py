"""An issuer whose key set endpoint misbehaves as it is told, in a process of its own: python -m bench.unruly_issuer.

The first line of standard input is its key set, every further one the name of a manner. Each is answered with one line:
the port at first, then how often the endpoint was asked so far. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
import sys
from typing import Any

SLOW_SECONDS = 30.0


class Endpoint:
    """Answers one GET per connection."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self._entry = entry
        self.manner = "good"
        self.asked = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """In the manner of the moment."""
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            await getattr(self, f"_{self.manner}")(writer)
            await writer.drain()
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the client gave up, as it should, or the benchmark ended
        finally:
            writer.close()

    def _set(self, *more: str) -> bytes:
        return json.dumps({"keys": [self._entry, *({**self._entry, "kid": kid} for kid in more)]}).encode()

    async def _good(self, writer: asyncio.StreamWriter) -> None:
        _send(writer, self._set())

    async def _rotating(self, writer: asyncio.StreamWriter) -> None:
        _send(writer, self._set(f"next-{self.asked}"))

    async def _many_keys(self, writer: asyncio.StreamWriter) -> None:
        _send(writer, self._set(*(f"other-{number}" for number in range(63))))

    async def _failing(self, writer: asyncio.StreamWriter) -> None:
        _send(writer, b"busy", "503 Service Unavailable")

    async def _redirecting(self, writer: asyncio.StreamWriter) -> None:
        _send(writer, b"", "302 Found", "location: /elsewhere\r\n")

    async def _html(self, writer: asyncio.StreamWriter) -> None:
        _send(writer, b"<html><body>Sign in</body></html>")

    async def _empty(self, writer: asyncio.StreamWriter) -> None:
        _send(writer, b'{"keys": []}')

    async def _compressed(self, writer: asyncio.StreamWriter) -> None:
        _send(writer, gzip.compress(b" " * 10_000_000), more="content-encoding: gzip\r\n")

    async def _reset(self, writer: asyncio.StreamWriter) -> None:
        transport = writer.get_extra_info("socket")
        transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _slow(self, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(SLOW_SECONDS)
        _send(writer, self._set())

    async def _trickling(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for byte in self._set():
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async def _huge(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"keys": [')
        for _ in range(4096):
            writer.write(b" " * 65_536)
            await writer.drain()


def _send(writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK", more: str = "") -> None:
    writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{more}\r\n".encode() + body)


MANNERS = (
    "good",
    "rotating",
    "many_keys",
    "failing",
    "redirecting",
    "html",
    "empty",
    "compressed",
    "reset",
    "slow",
    "trickling",
    "huge",
)


async def serve() -> None:
    """Serves until standard input ends."""
    endpoint = Endpoint(json.loads(await asyncio.to_thread(sys.stdin.readline)))
    server = await asyncio.start_server(endpoint.answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        endpoint.manner = line.strip()
        print(endpoint.asked, flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
