"""The mounted service and a client of its Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from tests.contract.redaction.world import World, mounted
from tests.support.stores import DataStores


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(data_stores: DataStores) -> AsyncIterator[World]:
    async with mounted(data_stores) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def raw(data_stores: DataStores) -> AsyncIterator[Redis]:
    client = Redis.from_url(data_stores.redis_url)
    yield client
    await client.aclose()
