"""One pair of services for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.contract.auth.house import House, opened
from tests.support.stores import DataStores


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(data_stores: DataStores) -> AsyncIterator[House]:
    async with opened(data_stores) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sharp(data_stores: DataStores) -> AsyncIterator[House]:
    """Services that remember nothing, so that what happens in the stores is seen at once."""
    async with opened(data_stores, memory_seconds=0) as made:
        yield made
