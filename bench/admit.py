"""`admit`: a whole Admit over mutual TLS, a text of 2 kB with personal data, one in flight.

`embedded` asks the stack as `hauberk up` runs it (every service in one process, another one than this), `processes` one
process per service. Texts, conversations and users change from call to call, so that no answer is a repeated one; what
a busy service remembers of a user between calls, it remembers here too. `round trips` to Redis and PostgreSQL are real.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from bench import echo
from bench.echo import Echo
from bench.harness import interleaved
from bench.rows import Row
from cli.asking import Gateway, Reach, by_jwt, question
from cli.members import Administrator
from embedded.client import Connection
from embedded.datafolder import DataFolder
from embedded.processes import running_processes
from embedded.stack import read_running

SIZE = 2048
# Below every limit of a user: 15 messages a minute.
PER_USER = 12
WARM_UP = 40
ESTIMATE = pb.Estimate(model="gpt-4o-mini", output_tokens=64)
_PROSE = (
    "We would like to know how the new garden tools compare with the older ones, and whether the people who bought "
    "them last season were content. Some wrote that the handles feel lighter; others prefer the wooden kind. "
)


async def run(small: bool) -> list[Row]:
    """Both cases, each in turns with echo."""
    n = 100 if small else 1500
    async with echo.running() as yardstick:
        async with _folder() as folder, _embedded(folder) as stack:
            rows = [await _measure("embedded", stack, yardstick, n)]
        async with _folder() as folder, running_processes(folder) as processes:
            rows.append(await _measure("processes", processes, yardstick, n))
    return rows


async def _measure(case: str, stack: Reach, yardstick: Echo, n: int) -> Row:
    users = [f"bench-{number:05d}" for number in range((n + WARM_UP) // PER_USER + 1)]
    await Administrator(stack).add(users)
    tokens = [by_jwt(stack.user_jwt(user, ttl=3000)) for user in users]
    gateway = Gateway(stack.channel("gateway"))
    brand = stack.brand

    async def ask(number: int) -> None:
        asked = question(
            tokens[number % len(tokens)],
            brand,
            text(number),
            conversation=f"bench-{number}",
            estimate=ESTIMATE,
        )
        answer = await gateway.admit(asked)
        if answer.outcome != common.OUTCOME_ALLOW or answer.degraded:
            raise RuntimeError(f"{case}: request {number} was not admitted in full health; the figures would mislead")

    for number in range(WARM_UP):
        await ask(n + number)
    return await interleaved(case, yardstick, n, ask, bytes=SIZE, users=len(users))


def text(number: int) -> str:
    """2 kB of prose with an address, a phone and a card; another one each time."""
    head = (
        f"Order {number:06d}: write to customer{number}@example.com or call 212-555-{number % 10000:04d}, "
        "the card is 4532-1234-5678-9010. "
    )
    return (head + _PROSE * 12)[:SIZE]


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    base = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hauberk-bench-"))
    base.chmod(0o711)  # noqa: ASYNC240 - once; the servers' own account must be able to walk through it
    try:
        yield base / "data"
    finally:
        DataFolder(base / "data").remove()
        base.rmdir()  # noqa: ASYNC240


@asynccontextmanager
async def _embedded(folder: Path) -> AsyncIterator[Any]:
    """`hauberk up`, in a process of its own."""
    command = (sys.executable, "-m", "cli.main", "up", "--data", str(folder), "--port", "0")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            while read_running(folder) is None:
                if process.returncode is not None:
                    said = await process.stderr.read() if process.stderr else b""
                    raise RuntimeError(f"the embedded stack did not start: {said.decode(errors='replace')}")
                await asyncio.sleep(0.05)
        connection = Connection(folder)
        yield connection
        await connection.close()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
