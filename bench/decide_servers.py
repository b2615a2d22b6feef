"""What `decide` runs on: a Redis and a PostgreSQL of the wheels, and the ledger between them as in production."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from embedded.datafolder import DataFolder
from embedded.postgres import PostgresServer
from embedded.redis import RedisServer
from services.kit.clock import SystemClock
from services.kit.database_roles import ROLES, role_of
from services.kit.migrate import prepare_database
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.bootstrap.ledger import Durable, with_ledger

KID = "bench"
_PASSWORD = "bench"
_ENTRIES = 100_000  # the most that may wait to be written down


@contextmanager
def _folder() -> Iterator[DataFolder]:
    base = Path(tempfile.mkdtemp(prefix="hk-bench-"))
    base.chmod(0o711)  # an unprivileged account must be able to walk through it
    try:
        with DataFolder(base / "data") as folder:
            yield folder
    finally:
        shutil.rmtree(base, ignore_errors=True)


@asynccontextmanager
async def redis_server() -> AsyncIterator[RedisServer]:
    """A server with the settings of the embedded stack."""
    with _folder() as folder:
        server = RedisServer(folder)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@asynccontextmanager
async def postgres(org_key: bytes) -> AsyncIterator[Database]:
    """The database as this service sees it; organisations are proven with this key."""
    with _folder() as folder:
        server = PostgresServer(folder)
        await server.start()
        try:
            prepare_database(server.admin_dsn, dict.fromkeys(ROLES, _PASSWORD), {KID: org_key})
            database = Database(server.role_dsn(role_of("ratelimit"), _PASSWORD), max_size=4)
            await database.open()
            try:
                yield database
            finally:
                await database.close()
        finally:
            await server.stop()


@asynccontextmanager
async def written_down(url: str, store: RedisStore, database: Database) -> AsyncIterator[Durable]:
    """Limits over `store`, with what writes the ledger down meanwhile; that has a connection of its own, so that the
    round trips of a decision can be counted."""
    beside, clock = RedisStore(url, 2.0), SystemClock()
    counters = with_ledger(beside, database, clock, _ENTRIES, limits=RedisLimits(store, clock, ledger=_ENTRIES))
    tasks = [asyncio.ensure_future(work()) for work in counters.background]
    try:
        yield counters
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await beside.close()
