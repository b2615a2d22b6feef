"""One audit service for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.audit.house import House, opened
from tests.support.stores import DataStores


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(data_stores: DataStores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(data_stores, tmp_path_factory.mktemp("anchors")) as made:
        yield made
