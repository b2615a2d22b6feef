"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.stores import DataStores, prepared_stores


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shares files out to the workers, the long ones first; what is marked `alone` comes last and by one of them."""
    items.sort(key=lambda item: (_alone(item), "/unit/" in str(item.path)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group("alone" if _alone(item) else str(item.path)))


def _alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def data_stores() -> AsyncIterator[DataStores]:
    """Real PostgreSQL and Redis, started once per run, migrations applied (about a second)."""
    async with prepared_stores() as stores:
        yield stores
