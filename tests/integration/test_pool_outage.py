"""A long outage of PostgreSQL ends for a process when it ends for the server, however many asked meanwhile."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from psycopg.conninfo import make_conninfo

from services.kit.postgres import Database
from tests.support.fault_cases import Fault
from tests.support.store_proxy import StoreProxy
from tests.support.stores import DataStores, make_folder
from tests.support.waiting import eventually


async def test_the_pool_connects_again_after_more_had_waited_than_it_lets_wait(data_stores: DataStores) -> None:
    base = make_folder()
    upstream = Path(data_stores.postgres.endpoint.host) / ".s.PGSQL.5432"
    proxy = StoreProxy("postgres", base / ".s.PGSQL.5432", lambda: upstream)
    database = Database(make_conninfo(data_stores.service_dsn("auth"), host=str(base)), max_size=1, acquire_seconds=0.5)
    await proxy.start()
    await database.open()
    try:
        assert await eventually(database.ready)
        with proxy.broken(Fault.REFUSED):
            for _ in range(3):
                assert not any(await asyncio.gather(*(database.ready() for _ in range(12))))
        assert await eventually(database.ready, 5.0)
    finally:
        await database.close()
        await proxy.stop()
        shutil.rmtree(base, ignore_errors=True)
