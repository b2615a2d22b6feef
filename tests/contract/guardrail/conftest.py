"""One set of services for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.contract.guardrail.world import World, opened
from tests.support.stores import DataStores


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def session_world(data_stores: DataStores) -> AsyncIterator[World]:
    async with opened(data_stores) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def world(session_world: World) -> AsyncIterator[World]:
    yield session_world
    session_world.away.clear()
