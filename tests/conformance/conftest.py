"""A whole stack for the cases."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest_asyncio

from embedded.stack import Stack
from tests.support.stores import make_folder


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def stack() -> AsyncIterator[Stack]:
    base = make_folder()
    try:
        async with Stack.running(base / "data") as running:
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)
