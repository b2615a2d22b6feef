"""The real Redis of the run, and limits over it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from services.kit.clock import SystemClock
from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import RedisLimits
from tests.contract.ratelimit.ledger_house import House, opened
from tests.contract.ratelimit.support import SECOND, VirtualClock, virtual_limits
from tests.support.stores import DataStores

NOON = 1_767_268_800 * SECOND  # 2026-01-01 12:00:00 UTC


@pytest_asyncio.fixture(loop_scope="session")
async def redis(data_stores: DataStores) -> AsyncIterator[RedisStore]:
    store = RedisStore(data_stores.redis_url, timeout_seconds=5)
    yield store
    await store.close()


@pytest_asyncio.fixture(loop_scope="session")
async def limits(redis: RedisStore) -> RedisLimits:
    return RedisLimits(redis, SystemClock())


@pytest_asyncio.fixture(loop_scope="session")
async def clock(redis: RedisStore) -> VirtualClock:
    clock = VirtualClock(redis, NOON)
    await clock.set(NOON)
    return clock


@pytest_asyncio.fixture(loop_scope="session")
async def timed(redis: RedisStore, clock: VirtualClock) -> RedisLimits:
    """Limits on a clock that the test sets."""
    return virtual_limits(redis, clock)


@pytest_asyncio.fixture(loop_scope="session")
async def house(data_stores: DataStores) -> AsyncIterator[House]:
    """A Redis of its own, which a test may empty or kill, beside the run's PostgreSQL."""
    async with opened(data_stores) as found:
        yield found
