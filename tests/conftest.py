"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.stores import DataStores, prepared_stores


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def data_stores() -> AsyncIterator[DataStores]:
    """Real PostgreSQL and Redis, started once per run, migrations applied (about a second)."""
    async with prepared_stores() as stores:
        yield stores
