"""A gateway of its own behind Envoy with the shipped ext_authz and its deadline, frozen, killed, started again and gone
without a word under traffic: what nobody decided does not pass, and what may pass does so again by itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest_asyncio

from cli.members import Administrator
from embedded.processes import Processes, running_processes
from tests.support import envoy
from tests.support.stores import make_folder
from tests.support.waiting import eventually

AWAY = 1.5
SETTLED = 0.3  # longer than Envoy's deadline: what is begun so near to a change may meet either side of it
FOUND_OUT = 12.0  # by the shipped keepalive: asked every 5 s, given up 2 s later
LATE = 2.0  # Envoy waits 0.2 s for the gateway; the rest is what a busy machine takes


@dataclass
class Traffic:
    """Requests of a member and of somebody without a credential in turns (a wrong one, tried again and
    again, would be held against the address of both); (who, begun, taken, status) of each."""

    client: httpx.AsyncClient
    member: dict[str, str]
    answers: list[tuple[str, float, float, int]] = field(default_factory=list)

    async def ask(self, who: str) -> int:
        """One request."""
        begun = time.monotonic()
        answer = await self.client.get("/", headers=self.member if who == "member" else {})
        self.answers.append((who, begun, time.monotonic() - begun, answer.status_code))
        return answer.status_code

    async def passes(self) -> bool:
        """Whether the member gets through."""
        return await self.ask("member") == 200

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Both, for as long as the block."""

        over = asyncio.Event()

        async def flow() -> None:
            while not over.is_set():
                await self.ask("member")
                await self.ask("nobody")
                await asyncio.sleep(0.01)

        task = asyncio.create_task(flow())
        try:
            yield
        finally:
            over.set()  # not cancelled: each request has its answer
            await task

    def began_between(self, start: float, end: float) -> list[int]:
        """The member's answers to what was begun in this time."""
        return [status for who, begun, _, status in self.answers if who == "member" and start < begun < end]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def processes() -> AsyncIterator[Processes]:
    base = make_folder()
    try:
        async with running_processes(base / "data") as made:
            yield made
    finally:
        shutil.rmtree(base, ignore_errors=True)


def stop(processes: Processes, how: str) -> None:
    """Freezes or kills the gateway."""
    os.killpg(processes.children["gateway"].pid, signal.SIGSTOP if how == "frozen" else signal.SIGKILL)


async def start_again(processes: Processes, how: str) -> None:
    """Thaws it, or starts another."""
    child = processes.children["gateway"]
    if how == "frozen":
        os.killpg(child.pid, signal.SIGCONT)
        return
    await child.wait()
    await processes.start("gateway")


async def test_nothing_undecided_passes_and_it_comes_back(
    processes: Processes, record_property: Callable[[str, object], None]
) -> None:
    await Administrator(processes).add(["ines"])
    member = {"authorization": f"Bearer {processes.user_jwt('ines')}"}
    async with (
        envoy.front(processes.address, processes.folder, processes.client) as edge,
        edge.envoy("envoy/identity", envoy.shipped_deadline) as client,
    ):
        traffic, figures = Traffic(client, member), {}
        assert await eventually(traffic.passes, 20)
        async with traffic.flowing():
            for how in ("frozen", "killed"):
                await asyncio.sleep(SETTLED)
                stopped = time.monotonic()
                stop(processes, how)
                await asyncio.sleep(AWAY)
                again = time.monotonic()
                await start_again(processes, how)
                assert await eventually(traffic.passes, 30)
                figures[how] = f"served again after {time.monotonic() - again:.1f} s"
                away = traffic.began_between(stopped + SETTLED, again - SETTLED)
                assert away, "there was traffic"
                assert set(away) == {503}
            vanished = time.monotonic()
            edge.door.deaf()  # no word of an end: as when its machine lost power, and another is there already
            await asyncio.sleep(SETTLED)
            assert await eventually(traffic.passes, FOUND_OUT)
            figures["vanished"] = f"served again after {time.monotonic() - vanished:.1f} s"
            await asyncio.sleep(SETTLED)
    passed = Counter((who, status) for who, _, _, status in traffic.answers)
    assert passed["nobody", 200] == 0
    assert passed["member", 200] == len(edge.product.seen), "the product saw what passed, and nothing else"
    assert {status for _, status in passed} <= {200, 401, 503}
    assert max(taken for _, _, taken, _ in traffic.answers) < LATE
    record_property("figures", f"{dict(passed)}; {figures}")
