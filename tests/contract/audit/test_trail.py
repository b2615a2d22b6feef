"""From a process to the store: at least once into the spool, exactly once into the chain, whatever happens between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from hauberk.audit.v1 import audit_service_pb2 as pb

from services.kit.audit import Event, EventClass, SpooledTrail
from services.kit.errors import Unavailable
from services.kit.inprocess import rpc_error
from tests.contract.audit.house import House
from tests.unit.kit.world import refused

pytestmark = pytest.mark.alone


def numbered(org: str, number: int, kind: EventClass = EventClass.DECISION) -> Event:
    code = "auth.create_api_key" if kind is EventClass.CRITICAL else "auth.authenticate"
    return Event(f"t{number}/auth/Test/1", code, 1_700_000_000 + number, kind, organisation=org)


@asynccontextmanager
async def shipping(trail: SpooledTrail) -> AsyncIterator[SpooledTrail]:
    task = asyncio.create_task(trail.ship())
    try:
        yield trail
    finally:
        task.cancel()
        await trail.close()


async def arrived(house: House, org: str, count: int, seconds: float = 10.0) -> list[str]:
    found: list[str] = []
    for _ in range(int(seconds / 0.05)):
        with contextlib.suppress(psycopg.OperationalError):  # it may be starting again
            found = await house.stored(org)
        if len(found) >= count:
            break
        await asyncio.sleep(0.05)
    return found


class Down:
    """A way to the audit service that can be interrupted."""

    def __init__(self, channel: Any) -> None:
        self._channel, self.down = channel, False

    def unary_unary(self, *args: Any, **more: Any) -> Any:
        method = self._channel.unary_unary(*args, **more)

        def call(*given: Any, **named: Any) -> Any:
            if self.down:
                raise rpc_error(grpc.StatusCode.UNAVAILABLE, "away")
            return method(*given, **named)

        return call


async def test_what_is_emitted_is_stored_once_and_in_order(house: House, tmp_path: Path) -> None:
    org = house.organisation()
    async with shipping(house.trail(tmp_path)) as trail:
        for start in range(0, 1200, 100):
            await asyncio.gather(*(trail.emit(numbered(org, start + n)) for n in range(100)))
        assert await arrived(house, org, 1200) == [f"t{n}/auth/Test/1" for n in range(1200)]
        assert trail.spool.waiting == 0
    assert (await house.verify(org)).intact


async def test_close_brings_what_is_left(house: House, tmp_path: Path) -> None:
    org = house.organisation()
    trail = house.trail(tmp_path)
    await asyncio.gather(*(trail.emit(numbered(org, n)) for n in range(50)))
    await trail.close()
    assert len(await house.stored(org)) == 50
    assert not list(tmp_path.glob("*.seg"))


async def test_a_restart_brings_what_an_outage_left(house: House, tmp_path: Path) -> None:
    org = house.organisation()
    way = Down(house.channel("auth"))
    way.down = True
    async with shipping(SpooledTrail(tmp_path).connect("auth", way)) as trail:
        await asyncio.gather(*(trail.emit(numbered(org, n)) for n in range(30)))
        with pytest.raises(Unavailable):
            await trail.emit(numbered(org, 30), critical=True)
    assert await house.stored(org) == []
    async with shipping(house.trail(tmp_path)):
        assert len(await arrived(house, org, 31)) == 31


async def test_critical_is_stored_when_it_returns(house: House, tmp_path: Path) -> None:
    org = house.organisation()
    trail = house.trail(tmp_path)
    await trail.emit(numbered(org, 1, EventClass.CRITICAL), critical=True)
    assert len(await house.stored(org)) == 1  # nobody ships here
    await trail.close()
    assert len(await house.stored(org)) == 1


async def test_full_means_closed_but_for_debug(house: House, tmp_path: Path) -> None:
    org = house.organisation()
    trail = house.trail(tmp_path, limit=2000)
    acknowledged = 0
    with pytest.raises(Unavailable):
        for number in range(100):
            await trail.emit(numbered(org, number))
            acknowledged += 1
    await trail.emit(numbered(org, 999, EventClass.DEBUG))
    assert trail.dropped == 1
    with pytest.raises(Unavailable):
        await trail.emit(numbered(org, 998, EventClass.CRITICAL))
    async with shipping(trail):
        assert len(await arrived(house, org, acknowledged)) == acknowledged
        await trail.emit(numbered(org, 997))
        assert len(await arrived(house, org, acknowledged + 1)) == acknowledged + 1


async def test_an_event_that_will_never_be_taken_does_not_hold_up_the_others(house: House, tmp_path: Path) -> None:
    org = house.organisation()
    async with shipping(house.trail(tmp_path)) as trail:
        good = [trail.emit(numbered(org, n)) for n in range(20)]
        bad = Event("no way/auth/Test/1", "NOT A CODE", 1_700_000_000, organisation=org)
        await asyncio.gather(*good[:10], trail.emit(bad), *good[10:])
        assert len(await arrived(house, org, 20)) == 20
        assert trail.refused == 1
    assert (tmp_path / "refused").stat().st_size > 0


async def test_nobody_reports_in_anothers_name(house: House) -> None:
    org = house.organisation()
    message = numbered(org, 1).message("auth")
    error = await refused(house.stub("ratelimit").Append(pb.AppendRequest(events=[message])))
    assert "service" in str(error.details())
    assert await house.stored(org) == []


async def test_postgres_killed_under_load_loses_nothing(house: House, tmp_path: Path) -> None:
    """kill -9 of the database while events are emitted: whatever was acknowledged is stored once it is back."""
    org = house.organisation()
    acknowledged: set[str] = set()
    ends = time.monotonic() + 2.5

    async def emitter(trail: SpooledTrail, first: int) -> None:
        number = first
        while time.monotonic() < ends:
            event = numbered(org, number, EventClass.CRITICAL)
            try:
                await trail.emit(event, critical=number % 10 == 0)
                acknowledged.add(event.event_id)
            except Unavailable:
                pass
            number += 8
            await asyncio.sleep(0.002)

    async def killer() -> None:
        await asyncio.sleep(0.7)
        pid_file = house.stores.postgres._data() / "postmaster.pid"
        postmaster = int(pid_file.read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)

    async with shipping(house.trail(tmp_path)) as trail:
        await asyncio.gather(killer(), *(emitter(trail, first) for first in range(8)))
        found = await arrived(house, org, len(acknowledged), 20.0)
    assert len(acknowledged) > 500
    assert acknowledged - set(await house.stored(org)) == set()
    assert len(found) == len(set(found))
    answer = await house.verify(org)
    assert answer.intact, answer.problem
