"""Three services for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.contract.context_token.house import World, opened
from tests.support.stores import DataStores


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(data_stores: DataStores) -> AsyncIterator[World]:
    async with opened(data_stores) as made:
        yield made
