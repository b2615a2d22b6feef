"""A whole stack for end-to-end tests, started once."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest_asyncio
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from embedded.stack import Stack, StackOptions
from tests.support.stores import make_folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def spans() -> InMemorySpanExporter:
    """Every span of the stack, whatever its outcome."""
    return InMemorySpanExporter()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(spans: InMemorySpanExporter) -> AsyncIterator[Stack]:
    """Real servers, every service, the gateway, behind one mTLS port."""
    base = make_folder()
    try:
        async with Stack.running(base / "data", StackOptions(spans=spans)) as running:
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)
