"""Retention on the stores of the tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.retention_year import Year, seed
from cli.housekeeping import OWNED, House, Place, house_at
from cli.places import DEFAULT_POLICY
from services.audit.policy.retention import RetentionPolicy, parse
from services.audit.signatures import CheckpointSigner
from services.kit.clock import Clock
from services.kit.key_kinds import signing_key
from services.kit.keys import KeyRing, write_private
from tests.support.stores import DataStores


class Ahead:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return time.time() + self.seconds


@dataclass
class Site:
    """A place with keys and an archive of its own; the database is everybody's."""

    stores: DataStores
    keys: Path
    folder: Path

    @property
    def place(self) -> Place:
        return Place(self.stores.service_dsn, self.stores.redis_url, self.keys, self.folder / "archive")

    @property
    def signer(self) -> CheckpointSigner:
        return CheckpointSigner(KeyRing(self.keys, {}))

    def policy(self, **trail: str) -> RetentionPolicy:
        data: dict[str, Any] = yaml.safe_load(DEFAULT_POLICY.read_bytes())
        data["trail"].update(trail)
        return parse(data, OWNED)

    @asynccontextmanager
    async def open(self, clock: Clock | None = None, **trail: str) -> AsyncIterator[House]:
        async with house_at(self.place, self.policy(**trail), clock) as house:
            yield house

    async def year(self, rows: int = 12, events: int = 150) -> Year:
        return await asyncio.to_thread(seed, self.stores.admin_dsn, self.signer, time.time(), rows, events)


@pytest.fixture(scope="session")
def archive_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all tests here: months are shared by the chains of all organisations."""
    keys = tmp_path_factory.mktemp("keys")
    write_private(keys / "checkpoint.0001.key", signing_key())
    return keys


@pytest.fixture
def site(data_stores: DataStores, archive_keys: Path, tmp_path: Path) -> Site:
    return Site(data_stores, archive_keys, tmp_path)
