"""Redis killed and brought back: refusals or marked answers meanwhile, none silent, and service by itself after."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from embedded.datafolder import DataFolder
from embedded.redis import RedisServer
from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.kit.redis import RedisStore
from services.ratelimit.adapters.local_share import MemoryShare
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.limiter import Limiter, Request
from services.ratelimit.policy import Identity, Mode, Outcome
from tests.contract.ratelimit.support import default_policy, request_id
from tests.support.stores import make_folder

ME = Identity("acme", "pro", "key_0123456789abcdef", "ada", "shop")


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[RedisServer]:
    """A server of this test alone, which it may kill."""
    base: Path = make_folder()
    with DataFolder(base / "data") as folder:
        redis = RedisServer(folder)
        await redis.start()
        yield redis
        await redis.stop()


def limiter_of(store: RedisStore) -> Limiter:
    return Limiter(RedisLimits(store, SystemClock()), MemoryShare(SystemClock(), 100), default_policy())


def reserve() -> Request:
    return Request(Mode.RESERVE, request_id(), 1, 100, 100, "gpt-4o")


def take() -> Request:
    return Request(Mode.TAKE, request_id(), 1, 0, 0, "")


async def kill(server: RedisServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.exited()


async def test_killed_and_restarted(server: RedisServer) -> None:
    store = RedisStore(server.url, timeout_seconds=0.25)
    limiter = limiter_of(store)
    for _ in range(5):
        assert (await limiter.decide(ME, "gateway", reserve())).outcome is Outcome.ALLOW
    await kill(server)
    started = time.monotonic()
    with pytest.raises(Unavailable) as refused:  # tokens and money are closed
        await limiter.decide(ME, "gateway", reserve())
    assert "redis.sock" not in str(refused.value)
    assert refused.value.__cause__ is None
    with pytest.raises(Unavailable):
        await limiter.inspect(ME)
    shared = [await limiter.decide(ME, "gateway", take()) for _ in range(3)]
    assert [(d.outcome, d.degraded) for d in shared] == [(Outcome.ALLOW, True)] + [(Outcome.THROTTLE, True)] * 2
    assert (await limiter.decide_address("192.0.2.7")).degraded
    assert time.monotonic() - started < 2
    await server.start()
    again = await limiter.decide(ME, "gateway", reserve())
    assert (again.outcome, again.degraded) == (Outcome.ALLOW, False)
    await store.close()


async def test_a_server_that_hangs_costs_a_bounded_wait(server: RedisServer) -> None:
    store = RedisStore(server.url, timeout_seconds=0.2)
    limiter = limiter_of(store)
    await limiter.decide(ME, "gateway", reserve())
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        results = await asyncio.gather(
            *(limiter.decide(ME, "gateway", reserve()) for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(result, Unavailable) for result in results)
        assert time.monotonic() - started < 1.5
        assert not await store.ping()
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert (await limiter.decide(ME, "gateway", reserve())).outcome is Outcome.ALLOW
    await store.close()


async def test_a_pool_that_is_full_waits_and_serves(server: RedisServer) -> None:
    store = RedisStore(server.url, timeout_seconds=5, max_connections=2)
    limiter = limiter_of(store)
    results = await asyncio.gather(*(limiter.decide_address("192.0.2.8") for _ in range(50)))
    assert all(result.outcome is Outcome.ALLOW and not result.degraded for result in results)
    await store.close()
