"""One kept connection to an Envoy, and what is asked over it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field

# One answer to a greeting, by a model that costs nothing; no more output than the stand-in says.
_CHAT = json.dumps(
    {"model": "self-hosted", "max_tokens": 16, "messages": [{"role": "user", "content": "What are your hours?"}]}
)


def page(bearer: str, agent: str) -> bytes:
    """A request without a body."""
    return f"GET /v1 HTTP/1.1\r\n{_fields(bearer, agent)}\r\n".encode()


def chat(bearer: str, agent: str) -> bytes:
    """A request of the OpenAI chat interface."""
    body = f"content-type: application/json\r\ncontent-length: {len(_CHAT)}\r\n\r\n{_CHAT}"
    return f"POST /v1/chat/completions HTTP/1.1\r\n{_fields(bearer, agent)}{body}".encode()


def _fields(bearer: str, agent: str) -> str:
    return f"host: bench.test\r\nuser-agent: {agent}\r\nauthorization: Bearer {bearer}\r\n"


@dataclass
class Line:
    """How long each request took, and how many were not decided in Envoy's 200 ms."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    taken: list[float] = field(default_factory=list)
    late: int = 0

    @classmethod
    async def to(cls, port: int) -> Line:
        """Waits for Envoy to listen."""
        async with asyncio.timeout(20):
            while True:
                try:
                    return cls(*await asyncio.open_connection("127.0.0.1", port))
                except OSError:
                    await asyncio.sleep(0.05)

    async def ask(self, request: bytes) -> None:
        """One request; raises RuntimeError when it is refused, not when it comes too late: that is counted."""
        started = time.perf_counter()
        self.writer.write(request)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        if size := re.search(rb"\r\ncontent-length: (\d+)\r\n", answer):
            await self.reader.readexactly(int(size[1]))
        elif b"\r\ntransfer-encoding: chunked\r\n" in answer:
            await self.reader.readuntil(b"\r\n0\r\n\r\n")
        self.taken.append(time.perf_counter() - started)
        if not answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 ")):
            raise RuntimeError(f"a good request was answered with {answer[9:12].decode()}; the figures would mislead")
        self.late += answer.startswith(b"HTTP/1.1 503 ")
