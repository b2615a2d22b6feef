"""One request as bytes, for what no client library would send."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass

from tests.support.edge import Edge


@dataclass(frozen=True)
class Raw:
    """The first answer, and everything that came."""

    status: int
    body: bytes
    rest: bytes


async def exchanged(edge: Edge, first: str, *fields: str, body: bytes = b"") -> Raw:
    """Sends the lines as they are and reads until the server closes, or is silent for a while after its answer."""
    host, _, port = edge.address.rpartition(":")
    context = ssl.create_default_context(cafile=edge.stack.layout.tls / "ca.crt")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    lines = [first, *fields]
    if not any(field.lower().startswith("host") for field in fields):
        lines.append(f"host: {edge.address}")
    lines.append("connection: close")
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await writer.drain()
        data = await asyncio.wait_for(reader.read(-1), 5)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    head, _, rest = data.partition(b"\r\n\r\n")
    return Raw(int(head.split(b" ", 2)[1]), rest, data)
