"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.stores import DataStores, prepared_stores


def pytest_itemcollected(item: pytest.Item) -> None:
    """A file's tests go to one worker, so that what they share is made once; so do all that are marked `alone`."""
    item.add_marker(pytest.mark.xdist_group("alone" if _alone(item) else item.path.name))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, what is marked `alone` last, when nothing else is left to run beside it."""
    items.sort(key=lambda item: (_alone(item), "/unit/" in str(item.path)))


def _alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def data_stores() -> AsyncIterator[DataStores]:
    """Real PostgreSQL and Redis, started once per run, migrations applied (about a second)."""
    async with prepared_stores() as stores:
        yield stores
