"""A Redis that is farther away: a relay in a process of its own that holds everything back for half of a round trip.

`python -m bench.distance SOCKET UPSTREAM MILLISECONDS` serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def away(upstream: Path, milliseconds: float) -> AsyncIterator[Path]:
    """The socket of a relay before `upstream`, with this much more to each round trip."""
    socket = upstream.with_name("far.sock")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.distance", str(socket), str(upstream), str(milliseconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        await asyncio.wait_for(process.stdout.readline(), 20)
        yield socket
    finally:
        process.kill()
        await process.wait()


async def _serve(socket: str, upstream: str, seconds: float) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                loop.call_later(seconds, writer.write, data)
        loop.call_later(seconds, writer.close)

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(upstream)
        await asyncio.gather(carry(reader, up_writer), carry(up_reader, writer))

    server = await asyncio.start_unix_server(joined, socket)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], float(sys.argv[3]) / 2000))
