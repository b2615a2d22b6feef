"""What was charged is written down once, and a store that has lost its budgets gets them back before it answers."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from bench.redis_servers import command
from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.ratelimit.bootstrap.ledger import with_ledger
from services.ratelimit.policy import Algorithm, Calendar, Mode, OnExpiry, Unit
from services.ratelimit.ports import Settled, Status, Use
from tests.contract.ratelimit.ledger_house import (
    BUDGET,
    DOLLAR,
    RATE,
    House,
    drained,
    eventually,
    of,
    reserve,
    running,
)
from tests.contract.ratelimit.support import ask, group, limit, request_id
from tests.support.stores import Holder


async def test_what_is_settled_is_written_down_once_and_leaves_the_stream(house: House) -> None:
    names = [request_id() for _ in range(3)]
    async with running(house.process()) as limits:
        for name in names:
            assert await reserve(limits, house.org, 100, name) is Status.ALLOWED
        assert await limits.commit(of(house, names[0]), Use(0, 30, 10, DOLLAR)) == (Settled.APPLIED, 40)
        assert (await limits.commit(of(house, names[0]), Use(0, 30, 10, DOLLAR)))[0] is Settled.ALREADY
        assert await limits.release(of(house, names[1]), keep_requests=False) is Settled.APPLIED
        await drained(house)
    kinds = house.rows("SELECT kind, micro_usd FROM ratelimit.ledger WHERE org_id = %(org)s ORDER BY kind")
    assert kinds == [("committed", 40), ("released", 0)]
    assert house.rows("SELECT request_id FROM ratelimit.holds WHERE org_id = %(org)s") == [(names[2],)]
    assert sum(house.spent()) == 40


async def test_an_emptied_store_refuses_until_its_budgets_are_back_and_counts_nothing_twice(house: House) -> None:
    open_hold, settled, refused = request_id(), request_id(), request_id()
    async with running(house.process()) as limits:
        await reserve(limits, house.org, 500, open_hold)
        await reserve(limits, house.org, 300, settled)
        await limits.commit(of(house, settled), Use(0, 200, 100, DOLLAR))
        await eventually(lambda: sum(house.spent()) == 300)
    await command(house.node, "FLUSHALL")
    async with running(house.process()) as limits:
        # 300 spent and 500 held: 200 are left, and not one more.
        assert await reserve(limits, house.org, 201, refused) is Status.REFUSED
        assert await reserve(limits, house.org, 200) is Status.ALLOWED
        # The hold came back with the budget, a settled id stays spent.
        assert await reserve(limits, house.org, 300, settled) is Status.SPENT
        assert await limits.commit(of(house, settled), Use(0, 200, 100, DOLLAR)) == (Settled.ALREADY, 300)
        assert await limits.commit(of(house, open_hold), Use(0, 100, 0, DOLLAR)) == (Settled.APPLIED, 100)
        assert await reserve(limits, house.org, 401) is Status.REFUSED
        assert await reserve(limits, house.org, 400) is Status.ALLOWED


async def test_without_the_ledger_an_emptied_store_gives_nothing_away(house: House) -> None:
    async with running(house.process()) as limits:
        await reserve(limits, house.org, 100)
    await command(house.node, "FLUSHALL")
    nobody = Database("host=/nowhere user=nobody dbname=none", acquire_seconds=0.2)
    await nobody.open()
    blind = with_ledger(house.redis, nobody, SystemClock(), 1000, proof=lambda: Holder(house.stores.proof(house.org)))
    with pytest.raises(Unavailable):
        await reserve(blind.limits, house.org, 1)
    with pytest.raises(Unavailable):
        await blind.limits.commit(of(house, request_id()), Use(0, 1, 1, DOLLAR))
    # A rate that draws on no budget starts anew.
    taken = await ask(blind.limits, house.org, {"u": RATE}, Mode.TAKE, requests=1)
    assert taken.status is Status.ALLOWED
    await nobody.close()


async def test_a_proof_of_another_organisation_reads_no_budget(house: House) -> None:
    """Seeding reads under row-level security: with a foreign proof it finds nothing, so the store must not be marked
    by whoever has no true proof of this very organisation."""
    async with running(house.process()) as limits:
        await reserve(limits, house.org, 900)
        await eventually(lambda: len(house.rows("SELECT 1 FROM ratelimit.holds WHERE org_id = %(org)s")) == 1)
    await command(house.node, "FLUSHALL")
    for wrong in (house.stores.proof("another"), house.stores.proof(house.org, seconds=-5), "nonsense"):
        with pytest.raises(Unavailable):
            await reserve(house.process(proof=wrong).limits, house.org, 900)
    assert await reserve(house.process().limits, house.org, 101) is Status.REFUSED


async def test_a_full_ledger_refuses_reservations_and_still_settles(house: House) -> None:
    process = house.process(entries=4)  # its writer does not run
    names = [request_id() for _ in range(4)]
    for name in names:
        assert await reserve(process.limits, house.org, 10, name) is Status.ALLOWED
    with pytest.raises(Unavailable):
        await reserve(process.limits, house.org, 10)
    for name in names:
        assert (await process.limits.commit(of(house, name), Use(0, 5, 5, DOLLAR)))[0] is Settled.APPLIED
    async with running(process) as limits:
        await drained(house)
        assert sum(house.spent()) == 40
        assert await reserve(limits, house.org, 10) is Status.ALLOWED


async def test_entries_of_a_dead_consumer_are_taken_over_and_written_once(house: House) -> None:
    name = request_id()
    process = house.process()
    await reserve(process.limits, house.org, 100, name)
    await process.limits.commit(of(house, name), Use(0, 50, 50, DOLLAR))
    key = f"hk:ratelimit:{{{house.org}}}:log"
    await command(house.node, "XGROUP", "CREATE", key, "ledger", "0")
    # It takes everything, and is killed before it writes.
    await command(house.node, "XREADGROUP", "GROUP", "ledger", "dead", "COUNT", 100, "STREAMS", key, ">")
    await command(house.node, "DEL", f"hk:ratelimit:{{{house.org}}}:seeded")  # seeding may not pass them over
    assert await reserve(house.process().limits, house.org, 901) is Status.REFUSED
    assert sum(house.spent()) == 100


async def test_entries_that_come_twice_and_in_the_wrong_order_are_one_charge(house: House) -> None:
    from services.ratelimit.adapters.ledger_book import PostgresBook
    from services.ratelimit.adapters.ledger_stream import RedisStream

    name = request_id()
    process = house.process()
    await reserve(process.limits, house.org, 100, name)
    await process.limits.commit(of(house, name), Use(0, 50, 20, DOLLAR))
    entries = list(await RedisStream(house.redis, SystemClock(), "one").drain(house.org, 100, 0))
    assert [entry.kind for entry in entries] == ["open", "committed"]
    book = PostgresBook(house.database)
    assert await book.append(house.org, [entries[1]]) == 1
    assert await book.append(house.org, [entries[1], entries[0], entries[1]]) == 0
    assert sum(house.spent()) == 70
    assert house.rows("SELECT 1 FROM ratelimit.holds WHERE org_id = %(org)s") == []


async def test_a_late_settlement_corrects_the_expiry_that_was_written(house: House) -> None:
    name = request_id()
    refunding = group(
        limit(Algorithm.CALENDAR, 1000, Calendar.DAY, Unit.MICRO_USD, id="refunds", on_expiry=OnExpiry.REFUND)
    )
    async with running(house.process()) as limits:
        for groups in ({"u": BUDGET}, {"u": refunding}):
            await ask(limits, house.org, groups, Mode.RESERVE, micro_usd=100, request=name, hold=20_000)
            await asyncio.sleep(0.03)
            assert (await limits.commit(of(house, name), Use(0, 60, 0, DOLLAR)))[0] is Settled.EXPIRED
            name = request_id()
        await eventually(lambda: sorted(house.spent()) == [60, 60])
    kinds = house.rows("SELECT kind FROM ratelimit.ledger WHERE org_id = %(org)s ORDER BY kind")
    assert [kind for (kind,) in kinds] == ["expired", "expired", "late", "late"]


async def test_a_store_that_was_started_anew_is_checked_against_the_ledger(house: House) -> None:
    process = house.process()
    watcher = asyncio.ensure_future(process.background[1]())
    async with running(process) as limits:
        await reserve(limits, house.org, 600)
        await eventually(lambda: len(house.rows("SELECT 1 FROM ratelimit.holds WHERE org_id = %(org)s")) == 1)
        # The last second of its file is lost with it: here, everything of this budget but the mark.
        await asyncio.sleep(1.1)
        key = f"hk:ratelimit:{{{house.org}}}:ub:u"
        await command(house.node, "DEL", key)
        await asyncio.sleep(1.1)
        house.node.kill()
        await house.node.start()
        assert await command(house.node, "EXISTS", key) == 0
        mark = f"hk:ratelimit:{{{house.org}}}:seeded"
        for _ in range(100):
            if not await command(house.node, "EXISTS", mark):
                break
            await asyncio.sleep(0.05)
        for _ in range(20):
            with contextlib.suppress(Unavailable):
                assert await reserve(limits, house.org, 401) is Status.REFUSED
                break
            await asyncio.sleep(0.1)
        assert await reserve(limits, house.org, 400) is Status.ALLOWED
    watcher.cancel()
