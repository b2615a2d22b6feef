"""Stores killed under auth: refusals or "cannot decide", and no revocation undone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator

import grpc
import pytest_asyncio
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb

from tests.contract.auth.house import ALLOW, DENY, House, opened
from tests.contract.auth.session_desk import open_session, present
from tests.support.stores import prepared_stores


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own() -> AsyncIterator[House]:
    """Stores of this module, which kills them."""
    async with prepared_stores() as stores, opened(stores, memory_seconds=0) as house:
        yield house


async def outcome(house: House, key: str) -> int | None:
    """None when it could not be decided."""
    try:
        return (await house.authenticate(key)).outcome
    except aio.AioRpcError as error:
        assert error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        return None


async def kill_and_watch(house: House, server: str, revoked: str, good: str) -> set[int | None]:
    """What the revoked key was answered from the kill until the good key is accepted again."""
    before = house.stores.supervisor.restarts()[server]
    os.kill(house.stores.supervisor.pids()[server], signal.SIGKILL)
    seen: set[int | None] = set()
    ends = time.monotonic() + 15
    while time.monotonic() < ends:
        seen.add(await outcome(house, revoked))
        back = house.stores.supervisor.restarts()[server] > before
        if back and await outcome(house, good) == ALLOW:
            seen.add(await outcome(house, revoked))
            return seen
        await asyncio.sleep(0.02)
    raise AssertionError("service did not resume")


async def test_redis_killed(own: House) -> None:
    _, good = await own.organisation()
    _, revoked = await own.organisation()
    handle = await own.admission(await own.token(good))
    ended = await own.admission(await own.token(revoked))
    token = await own.token(revoked)
    await own.call("RevokeSubject", token, pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER, id="ann"))
    seen = await kill_and_watch(own, "redis", revoked, good)
    assert seen <= {None, DENY}
    assert None in seen
    assert (await own.go_on(handle)).outcome == ALLOW
    assert (await own.go_on(ended)).outcome == DENY


async def test_redis_killed_resurrects_no_session(own: House) -> None:
    _, good = await own.organisation()
    _, key = await own.organisation()
    ended, kept = [await open_session(own, key) for _ in range(2)]
    await own.call("RevokeSession", await own.token(key), pb.RevokeSessionRequest(session_id=ended.session_id))
    before = own.stores.supervisor.restarts()["redis"]
    os.kill(own.stores.supervisor.pids()["redis"], signal.SIGKILL)
    seen: set[int | None] = set()
    limit = time.monotonic() + 15
    while own.stores.supervisor.restarts()["redis"] == before or await outcome(own, good) != ALLOW:
        assert time.monotonic() < limit
        with contextlib.suppress(aio.AioRpcError):
            seen.add((await present(own, ended.session)).outcome)
    assert seen <= {DENY}
    assert (await present(own, ended.session)).outcome == DENY
    assert (await present(own, kept.session)).outcome == ALLOW


async def test_postgres_killed(own: House) -> None:
    # It may be back before the first call has waited its half second, so that nothing was undecided.
    _, good = await own.organisation()
    _, revoked = await own.organisation()
    token = await own.token(revoked)
    await own.call("RevokeSubject", token, pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_BRAND, id="shop"))
    seen = await kill_and_watch(own, "postgres", revoked, good)
    assert seen <= {None, DENY}
