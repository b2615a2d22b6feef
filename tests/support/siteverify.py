"""A provider of bot challenges on this machine: redeems tokens like the real ones, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

SECRET = "0x4AAAAAAAsecret-one"
NEXT_SECRET = "0x4AAAAAAAsecret-two"
SITE_KEY = "0x4AAAAAAAsite-key"
HOST = "app.example.com"


@dataclass
class Solved:
    """A token that a widget gave out."""

    hostname: str
    action: str
    cdata: str
    at: float
    redeemed_by: str | None = None


@dataclass
class FakeProvider:
    """`script` holds what to do with the next requests, one each, before the tokens count again.

    A list is a list of error codes; a number a status; `slow` hangs; `html`, `huge`, `drop`, `redirect`, `packed`.
    """

    secrets: set[str] = field(default_factory=lambda: {SECRET})
    tokens: dict[str, Solved] = field(default_factory=dict)
    script: list[Any] = field(default_factory=list)
    always: Any = None
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def solve(self, hostname: str = HOST, action: str = "chat", cdata: str = "", age: float = 0.0) -> str:
        """A fresh token, as a browser would bring it."""
        token = secrets.token_urlsafe(48)
        self.tokens[token] = Solved(hostname, action, cdata, time.time() - age)
        return token

    def answer(self, form: dict[str, str]) -> dict[str, Any]:
        """What the real one says."""
        if not form.get("secret"):
            return _refused("missing-input-secret")
        if form["secret"] not in self.secrets:
            return _refused("invalid-input-secret")
        solved = self.tokens.get(form.get("response", ""))
        if solved is None:
            return _refused("invalid-input-response")
        by = form.get("idempotency_key") or secrets.token_hex(8)
        if solved.redeemed_by not in {None, by} or time.time() - solved.at > 300:
            return _refused("timeout-or-duplicate")
        solved.redeemed_by = by
        moment = datetime.fromtimestamp(solved.at, UTC).isoformat().replace("+00:00", "Z")
        found = {"success": True, "error-codes": [], "challenge_ts": moment, "hostname": solved.hostname}
        return found | {"action": solved.action, "cdata": solved.cdata}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = [line.partition(":") for line in head.split("\r\n")]
            size = next((int(value) for name, _, value in lines if name.lower() == "content-length"), 0)
            form = {name: values[0] for name, values in parse_qs((await reader.readexactly(size)).decode()).items()}
            self.asked.append(form)
            does = self.script.pop(0) if self.script else self.always
            await self._respond(writer, form, does)
        writer.close()

    async def _respond(self, writer: asyncio.StreamWriter, form: dict[str, str], does: Any) -> None:
        if does == "drop":
            return
        if does == "slow":
            await asyncio.sleep(0.9)
        status, extra = (does if isinstance(does, int) else 200), ""
        body = json.dumps(_refused(*does) if isinstance(does, list) else self.answer(form)).encode()
        if does == "html":
            body = b"<html>Sorry</html>"
        elif does == "huge":
            body = b" " * 100_000 + body
        elif does == "redirect":
            status, extra = 302, f"location: {self.url}\r\n"
        elif does == "packed":
            extra = "content-encoding: gzip\r\n"
        elif isinstance(does, dict):
            body = json.dumps(does).encode()
        elif isinstance(does, int):
            body = b"{}"
        elif does == "lost":  # redeemed, and nobody hears of it
            return
        line = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{extra}connection: close\r\n"
        writer.write(line.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


@asynccontextmanager
async def provider() -> AsyncIterator[FakeProvider]:
    """Listens on loopback."""
    made = FakeProvider()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/siteverify"
    try:
        yield made
    finally:
        server.close()


def _refused(*codes: str) -> dict[str, Any]:
    return {"success": False, "error-codes": list(codes)}
