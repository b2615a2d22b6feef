"""Retention on the stores of the tests."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.retention_year import Year, seed
from cli.housekeeping import DEFAULT_POLICY, OWNED, House, Place, house_at
from services.audit.policy.retention import RetentionPolicy, parse
from services.audit.signatures import CheckpointSigner
from services.kit.key_kinds import signing_key
from services.kit.keys import KeyRing, write_private
from tests.support.stores import DataStores


@dataclass
class Site:
    """A place with keys and an archive of its own; the database is everybody's."""

    stores: DataStores
    folder: Path

    @property
    def place(self) -> Place:
        return Place(self.stores.service_dsn, self.stores.redis_url, self.folder / "keys", self.folder / "archive")

    @property
    def signer(self) -> CheckpointSigner:
        return CheckpointSigner(KeyRing(self.folder / "keys", {}))

    def policy(self, **trail: str) -> RetentionPolicy:
        data: dict[str, Any] = yaml.safe_load(DEFAULT_POLICY.read_bytes())
        data["trail"].update(trail)
        return parse(data, OWNED)

    @asynccontextmanager
    async def open(self, **trail: str) -> AsyncIterator[House]:
        async with house_at(self.place, self.policy(**trail)) as house:
            yield house

    async def year(self, rows: int = 12, events: int = 150) -> Year:
        return await asyncio.to_thread(seed, self.stores.admin_dsn, self.signer, time.time(), rows, events)


@pytest.fixture
def site(data_stores: DataStores, tmp_path: Path) -> Iterator[Site]:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    write_private(keys / "checkpoint.0001.key", signing_key())
    yield Site(data_stores, tmp_path)
