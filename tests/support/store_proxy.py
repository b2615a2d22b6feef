"""A door before a store that can be shut, jammed or set on fire: real drivers meet real failures."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.fault_cases import Fault

DELAY = 2.5  # longer than any store is waited for
_PG_MESSAGE = b"SFATAL\0VFATAL\0C57P03\0Mthe database of acme at 10.1.2.3 is on fire\0\0"
ERRORS = {
    "redis": b"-ERR the store of acme at 10.1.2.3 is on fire\r\n",
    "postgres": b"E" + (len(_PG_MESSAGE) + 4).to_bytes(4, "big") + _PG_MESSAGE,
}


class StoreProxy:
    """Listens on a Unix socket and passes on to `upstream` (asked for at each connection)."""

    def __init__(self, kind: str, path: Path, upstream: Callable[[], Path]) -> None:
        self.kind, self.path, self._upstream = kind, path, upstream
        self.fault: Fault | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()
        await self._server.wait_closed()

    @contextmanager
    def broken(self, fault: Fault) -> Iterator[None]:
        self.fault = fault
        if fault is Fault.REFUSED:
            self._cut()
        try:
            yield
        finally:
            self.fault = None
            self._cut()  # what was jammed does not come out later

    def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault is Fault.REFUSED:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(str(self._upstream()))
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, up_writer}
        try:
            await asyncio.gather(self._asked(reader, writer, up_writer), self._answered(up_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open -= {writer, up_writer}
            for each in (writer, up_writer):
                each.transport.abort()

    async def _asked(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, upstream: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self.fault is Fault.ERROR:
                back.write(ERRORS[self.kind])
            elif self.fault is Fault.GARBAGE:
                back.write(b"\x01" + os.urandom(63))
            elif self.fault is not Fault.TIMEOUT:
                upstream.write(data)
            await asyncio.gather(back.drain(), upstream.drain())
        with contextlib.suppress(OSError):
            upstream.transport.abort()
        back.transport.abort()

    async def _answered(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.fault is Fault.SLOW:
                await asyncio.sleep(DELAY)
            if self.fault in (None, Fault.SLOW):
                back.write(data)
                await back.drain()
        back.transport.abort()
