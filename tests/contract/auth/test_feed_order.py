"""The feed in PostgreSQL and in memory: in order, nothing skipped, nothing for tenants, silent without a read."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors

from services.auth.adapters.epoch_feed import PostgresFeedStore
from services.auth.adapters.epoch_ledger import PostgresEpochLedger
from services.auth.flows.feed import Feed
from services.auth.ports import FeedPage
from services.kit.errors import Unavailable
from services.kit.revocations import Rise
from tests.contract.auth.house import House
from tests.support.stores import DataStores, Holder


async def head_of(house: House) -> int:
    return (await PostgresFeedStore(house.database).read(0, 1)).head


class Breakable:
    """A store that can be taken away."""

    def __init__(self, store: PostgresFeedStore) -> None:
        self._store, self.away = store, False

    async def read(self, after: int, most: int) -> FeedPage:
        if self.away:
            raise Unavailable("postgres")
        return await self._store.read(after, most)

    async def forget(self) -> None:
        await self._store.forget()


@asynccontextmanager
async def feed_of(store: Any, most: int = 1000) -> AsyncIterator[Feed]:
    feed = Feed(store, most)
    running = asyncio.ensure_future(feed.run())
    try:
        yield feed
    finally:
        running.cancel()


async def test_no_read_no_heartbeat(house: House) -> None:
    store = Breakable(PostgresFeedStore(house.database))
    async with feed_of(store) as feed, aclosing(feed.watch(0, recent=False)) as watching:
        await anext(watching)
        store.away = True
        await asyncio.sleep(0.15)  # what was being read meanwhile
        waiting = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(1.0)
        assert not waiting.done()
        store.away = False
        async with asyncio.timeout(2):
            await waiting


class Scripted:
    """A store that answers from a list."""

    def __init__(self) -> None:
        self.rises: list[Rise] = []
        self.forgotten = 0

    async def read(self, after: int, most: int) -> FeedPage:
        head = self.rises[-1].sequence if self.rises else self.forgotten
        return FeedPage(head, self.forgotten, tuple(r for r in self.rises if r.sequence > after)[:most])

    async def forget(self) -> None:
        return None

    def add(self, count: int) -> None:
        start = self.rises[-1].sequence if self.rises else self.forgotten
        self.rises += [Rise(start + n, "acme", f"u:{start + n}", 1) for n in range(1, count + 1)]


async def test_a_flood_that_memory_cannot_hold_is_told_as_a_reset() -> None:
    store = Scripted()
    store.add(10)
    async with feed_of(store, most=20) as feed, aclosing(feed.watch(0, recent=True)) as watching:
        first = await anext(watching)
        assert (len(first.rises), first.reset) == (10, False)
        store.add(2000)
        async with asyncio.timeout(3):
            while not (told := await anext(watching)).reset:
                pass
        assert told.rises[-1].sequence == 2010
        async with aclosing(feed.watch(0, recent=True)) as late:
            assert (await anext(late)).reset


async def test_a_store_that_went_back_is_told_as_a_reset() -> None:
    store = Scripted()
    store.add(10)
    async with feed_of(store) as feed, aclosing(feed.watch(10, recent=False)) as watching:
        assert not (await anext(watching)).reset
        del store.rises[5:]
        async with asyncio.timeout(3):
            while not (told := await anext(watching)).reset:
                pass
        assert [rise.sequence for rise in told.rises] in ([], [1, 2, 3, 4, 5])


RISE = (
    "INSERT INTO auth.epochs AS e (org_id, name, epoch, raised_at) VALUES (%s, %s, 1, clock_timestamp())"
    " ON CONFLICT (org_id, name) DO UPDATE SET epoch = e.epoch + 1"
)


@asynccontextmanager
async def transaction(stores: DataStores, organisation: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(stores.service_dsn("auth")) as connection:
        await connection.execute("SELECT set_config('hauberk.org', %s, true)", [stores.proof(organisation)])
        yield connection


@pytest.mark.parametrize("immediate", [False, True], ids=["as it is", "with its number taken early"])
async def test_a_transaction_that_commits_late_is_not_skipped(house: House, immediate: bool) -> None:
    """Begun first, committed last: a reader who has seen the other one still sees it, whoever took a number first."""
    early, late = (f"org-{secrets.token_hex(6)}" for _ in range(2))
    store = PostgresFeedStore(house.database)
    seen: list[str] = []
    cursor = await head_of(house)

    async def read() -> None:
        nonlocal cursor
        page = await store.read(cursor, 1000)
        seen.extend(rise.organisation for rise in page.rises)
        cursor = page.head

    async with transaction(house.stores, late) as slow:
        await slow.execute(RISE, [late, "o"])
        if immediate:
            await slow.execute("SET CONSTRAINTS ALL IMMEDIATE")
        quick = asyncio.ensure_future(
            PostgresEpochLedger(house.database).rise(Holder(house.stores.proof(early)), early, "o")
        )
        await asyncio.sleep(0.2)
        await read()
        await slow.commit()
        await quick
    await read()
    assert sorted(seen) == sorted([early, late])


async def test_many_writers_leave_no_gap_and_no_reader_behind(house: House) -> None:
    ledger = PostgresEpochLedger(house.database)
    store, start = PostgresFeedStore(house.database), await head_of(house)
    organisations = [f"org-{secrets.token_hex(6)}" for _ in range(8)]
    seen: list[int] = []
    done = asyncio.Event()

    async def read() -> None:
        cursor = start
        while not done.is_set() or cursor < await head_of(house):
            page = await store.read(cursor, 1000)
            seen.extend(rise.sequence for rise in page.rises)
            cursor = page.head

    async def write(organisation: str) -> None:
        for number in range(10):
            await ledger.rise(Holder(house.stores.proof(organisation)), organisation, f"u:{number}")

    reading = asyncio.ensure_future(read())
    await asyncio.gather(*map(write, organisations))
    done.set()
    await reading
    assert seen == list(range(start + 1, start + len(seen) + 1))
    assert len(seen) >= 80


async def test_what_was_rolled_back_never_happened(house: House) -> None:
    organisation, before = f"org-{secrets.token_hex(6)}", await head_of(house)
    async with transaction(house.stores, organisation) as connection:
        await connection.execute(RISE, [organisation, "o"])
        await connection.rollback()
    page = await PostgresFeedStore(house.database).read(before, 1000)
    assert organisation not in {rise.organisation for rise in page.rises}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM auth.revocations",
        "SELECT * FROM auth.revocation_head",
        "INSERT INTO auth.revocations (org_id, sequence, name, epoch) VALUES ('acme', 1, 'o', 1)",
        "UPDATE auth.revocation_head SET sequence = 0",
        "DELETE FROM auth.revocations",
        "DELETE FROM auth.epochs",
        "ALTER TABLE auth.epochs DISABLE TRIGGER announce_rise",
        "SET session_replication_role = replica",
    ],
)
async def test_the_service_itself_cannot_touch_the_feed(house: House, statement: Any) -> None:
    async with transaction(house.stores, "acme") as connection:
        with pytest.raises(errors.InsufficientPrivilege):
            await connection.execute(statement)


async def test_an_epoch_does_not_fall_whoever_writes_it(house: House) -> None:
    organisation = f"org-{secrets.token_hex(6)}"
    for column in ("epoch = 0", "epoch = 1"):
        async with transaction(house.stores, organisation) as connection:
            await connection.execute(RISE, [organisation, "o"])
            await connection.execute(RISE, [organisation, "o"])
            with pytest.raises(errors.CheckViolation):
                await connection.execute(f"UPDATE auth.epochs SET {column} WHERE name = 'o'".encode())


async def test_only_what_expired_by_itself_is_forgotten(house: House) -> None:
    organisation = f"org-{secrets.token_hex(6)}"
    proof = Holder(house.stores.proof(organisation))
    ledger, now = PostgresEpochLedger(house.database), time.time()
    old, young = "t:" + "0" * 22, "t:" + "1" * 22
    await ledger.rise(proof, organisation, old, now - 1)
    await ledger.rise(proof, organisation, young, now + 3600)
    await ledger.rise(proof, organisation, "u:ann")
    with pytest.raises(Unavailable):  # the database refuses it
        await ledger.rise(proof, organisation, "u:bob", now - 1)
    before = await head_of(house)
    await PostgresFeedStore(house.database).forget()
    marks = await ledger.read(proof, [old, young, "u:ann"])
    assert [mark.epoch for mark in marks.values()] == [0, 1, 1]
    page = await PostgresFeedStore(house.database).read(before - 3, 10)
    assert (page.head, len(page.rises), page.forgotten < before - 3) == (before, 3, True)


async def test_at_the_end_of_the_process_its_listeners_are_let_go() -> None:
    async with feed_of(Scripted()) as feed:
        watching = feed.watch(0, recent=False)
        await anext(watching)
    async with asyncio.timeout(1):
        with pytest.raises(StopAsyncIteration):
            while True:
                await anext(watching)
