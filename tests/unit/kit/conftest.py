"""The served application of these tests; every test that takes `transport` runs over mTLS and without a socket."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from services.kit import logs
from tests.unit.kit.world import World, serving


@pytest.fixture(params=["tcp", "inprocess"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("tls")
    async with serving(folder) as world:
        yield world


@pytest.fixture
def world(_world: World) -> World:
    _world.auth.does.clear()
    _world.auth.reached.clear()
    return _world


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is written to the log."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.setup("auth")
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
