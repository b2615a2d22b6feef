"""Grants on record in PostgreSQL: in force at once, over by themselves, out of the reach of tenants."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.ratelimit.adapters.overrides import PostgresOverrides
from services.ratelimit.policy import Override
from tests.contract.ratelimit.support import fresh
from tests.support.stores import DataStores

LIMIT = "organisation.money.day"


@pytest_asyncio.fixture(loop_scope="session")
async def database(data_stores: DataStores) -> AsyncIterator[Database]:
    opened = Database(data_stores.service_dsn("ratelimit"), max_size=2, acquire_seconds=5, statement_seconds=5)
    await opened.open()
    yield opened
    await opened.close()


def in_seconds(seconds: int) -> int:
    return int(time.time()) + seconds


async def test_a_grant_holds_here_at_once_and_elsewhere_after_a_look(database: Database) -> None:
    org, granted = fresh("granted"), Override(LIMIT, 42, in_seconds(60))
    here, there = PostgresOverrides(database, SystemClock()), PostgresOverrides(database, SystemClock())
    await there.refresh()
    await here.grant(org, granted, "operator/ada")
    assert here.of(org, time.time()) == (granted,)
    assert there.of(org, time.time()) == ()
    await there.refresh()
    assert there.of(org, time.time()) == (granted,)
    assert here.of(org, time.time()) is here.of(org, time.time())
    assert here.of(fresh("granted"), time.time()) == ()


async def test_the_last_word_counts_and_ends_by_itself(database: Database) -> None:
    org, store = fresh("granted"), PostgresOverrides(database, SystemClock())
    await store.grant(org, Override(LIMIT, 1, in_seconds(600)), "operator/ada")
    last = Override(LIMIT, 2, in_seconds(60))
    await store.grant(org, last, "operator/bob")
    assert store.of(org, last.expires_at - 0.001) == (last,)
    assert store.of(org, last.expires_at) == ()
    assert store.of(org, last.expires_at + 10**6) == ()


async def test_what_is_over_is_neither_read_nor_kept(database: Database, data_stores: DataStores) -> None:
    org, store = fresh("granted"), PostgresOverrides(database, SystemClock())
    await store.grant(org, Override(LIMIT, 1, in_seconds(1)), "operator/ada")
    await asyncio.sleep(1.1)
    await store.refresh()
    assert store._known.get(org) is None
    await store.grant(fresh("granted"), Override(LIMIT, 1, in_seconds(60)), "operator/ada")
    async with await psycopg.AsyncConnection.connect(data_stores.admin_dsn) as admin:
        row = await (
            await admin.execute("SELECT count(*) FROM ratelimit.overrides WHERE org_id = %s", [org])
        ).fetchone()
    assert row == (0,)


async def test_the_last_known_stay_while_the_database_is_away(database: Database, data_stores: DataStores) -> None:
    org, granted = fresh("granted"), Override(LIMIT, 42, in_seconds(60))
    store = PostgresOverrides(database, SystemClock())
    await store.grant(org, granted, "operator/ada")
    gone = Database(data_stores.service_dsn("ratelimit"), max_size=1, acquire_seconds=0.2, statement_seconds=0.2)
    store._database = gone  # never opened: every use of it fails
    with pytest.raises(Unavailable):
        await store.refresh()
    with pytest.raises(Unavailable):
        await store.grant(org, Override(LIMIT, 99, in_seconds(60)), "operator/ada")
    assert store.of(org, time.time()) == (granted,)


@pytest.mark.parametrize(
    "wrong",
    [Override(LIMIT, -1, 2**33), Override(LIMIT, 10**13, 2**33), Override("No Such", 1, 2**33), Override("", 1, 2**33)],
)
async def test_what_cannot_be_a_grant_is_not_put_on_record(database: Database, wrong: Override) -> None:
    org, store = fresh("granted"), PostgresOverrides(database, SystemClock())
    with pytest.raises(Unavailable):
        await store.grant(org, wrong, "operator/ada")
    await store.refresh()
    assert store.of(org, 0) == ()


async def test_a_tenant_sees_only_its_own_row_and_nobody_without_proof_any(
    database: Database, data_stores: DataStores
) -> None:
    org, other, store = fresh("granted"), fresh("granted"), PostgresOverrides(database, SystemClock())
    for each in (org, other):
        await store.grant(each, Override(LIMIT, 1, in_seconds(60)), "operator/ada")
    async with database.anonymous() as connection:
        assert await (await connection.execute("SELECT org_id FROM ratelimit.overrides")).fetchall() == []
    async with database.anonymous() as connection:
        await connection.execute("SELECT set_config('hauberk.org', %s, true)", [data_stores.proof(org)])
        rows = await (await connection.execute("SELECT DISTINCT org_id FROM ratelimit.overrides")).fetchall()
    assert rows == [(org,)]
