"""`services.kit.postgres.Database`: the tenant travels with the transaction, and every wait ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from services.kit.errors import AlreadyExists, Unavailable
from services.kit.postgres import Database
from tests.support.stores import DataStores, Holder

ORG = "SELECT hauberk.current_org()"


@pytest_asyncio.fixture
async def database(data_stores: DataStores) -> AsyncIterator[Database]:
    db = Database(data_stores.service_dsn("ratelimit"), max_size=4)
    await db.open()
    yield db
    await db.close()


async def org(db: Database, proof: str | None) -> str | None:
    context = db.anonymous() if proof is None else db.tenant(Holder(proof))
    async with context as conn:
        row = await (await conn.execute(ORG)).fetchone()
        assert row is not None
        return None if row[0] is None else str(row[0])


async def test_the_tenant_is_the_callers_and_never_the_previous_ones(
    database: Database, data_stores: DataStores
) -> None:
    for _ in range(12):  # past the point where the driver prepares a repeated statement
        assert await org(database, data_stores.proof("org-1")) == "org-1"
        assert await org(database, None) is None
        assert await org(database, "org-1'; DROP SCHEMA auth; --") is None
    proofs = [data_stores.proof(f"org-{i}") for i in range(40)]
    assert await asyncio.gather(*(org(database, p) for p in proofs)) == [f"org-{i}" for i in range(40)]


async def test_driver_errors_leave_no_text(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable) as caught:
        async with database.anonymous() as conn:
            await conn.execute("SELECT 'personal value' / 0")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "personal" not in str(caught.value) + caught.value.message + caplog.text


async def test_a_body_may_answer_an_error_in_its_own_words(database: Database) -> None:
    with pytest.raises(AlreadyExists):
        async with database.anonymous() as conn:
            try:
                await conn.execute("DO $$ BEGIN RAISE unique_violation; END $$")
            except psycopg.errors.UniqueViolation:
                raise AlreadyExists("it") from None
    assert await org(database, None) is None


async def test_a_swallowed_error_does_not_pass_for_a_commit(database: Database) -> None:
    with pytest.raises(Unavailable):
        async with database.anonymous() as conn:
            with contextlib.suppress(psycopg.Error):
                await conn.execute("SELECT 1 / 0")


async def test_a_slow_statement_ends(database: Database) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable):
        async with database.anonymous() as conn:
            await conn.execute("SELECT pg_sleep(30)")
    assert time.monotonic() - started < 1.5


async def test_an_exhausted_pool_answers_in_time(database: Database) -> None:
    async def hold() -> None:
        async with database.anonymous():
            await asyncio.sleep(1.6)

    holders = [asyncio.create_task(hold()) for _ in range(4)]
    await asyncio.sleep(0.2)
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await org(database, None)
    assert time.monotonic() - started < 1.3
    await asyncio.gather(*holders)
    assert await org(database, None) is None


async def test_cancellation_is_quick_and_the_pool_stays_whole(database: Database) -> None:
    for _ in range(6):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), database.anonymous() as conn:
                await conn.execute("SELECT pg_sleep(30)")
    assert await asyncio.gather(*(org(database, None) for _ in range(4))) == [None] * 4


async def test_a_server_that_hangs_or_is_gone_is_unavailable_in_time(
    database: Database, data_stores: DataStores
) -> None:
    assert await org(database, None) is None
    with psycopg.connect(data_stores.admin_dsn, autocommit=True) as admin:
        rows = admin.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'hauberk_ratelimit'").fetchall()
    frozen = [int(row[0]) for row in rows] + [data_stores.supervisor.pids()["postgres"]]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await org(database, None)
        assert time.monotonic() - started < 1.3
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    await asyncio.sleep(0.1)
    assert await org(database, None) is None


async def test_opening_does_not_wait_for_the_server(caplog: pytest.LogCaptureFixture) -> None:
    db = Database("host=/nonexistent dbname=secret-name")
    started = time.monotonic()
    await db.open()
    assert time.monotonic() - started < 0.2
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable):
        await org(db, None)
    assert not await db.ready()
    assert "nonexistent" not in caplog.text
    await db.close()
