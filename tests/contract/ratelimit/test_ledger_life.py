"""The ledger does not grow without end, and knows what an operator has forgiven."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from bench.redis_servers import command
from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.ratelimit.adapters.ledger_book import PostgresBook
from services.ratelimit.adapters.ledger_stream import RedisStream
from services.ratelimit.adapters.overrides import PostgresOverrides
from services.ratelimit.adapters.redis_penalties import RedisPenalties
from services.ratelimit.flows.folding import Kept, LedgerFolder
from services.ratelimit.policy import Algorithm, Calendar, Mode, Override
from services.ratelimit.policy.penalties import Culprit
from services.ratelimit.ports import Status, UnseededError, Use
from services.ratelimit.ports.ledger import Charge, Entry
from services.ratelimit.ports.penalties import Accused, TooManyOpenError
from tests.contract.ratelimit.ledger_house import (
    BUDGET,
    DOLLAR,
    House,
    drained,
    eventually,
    of,
    reserve,
    running,
)
from tests.contract.ratelimit.support import ask, fresh, group, limit, request_id

DAY = 86_400
(MONEY,) = [limit.id for limit in BUDGET.limits]


@dataclass
class At:
    """A clock that stands."""

    seconds: float

    def now(self) -> float:
        return self.seconds


async def left(house: House) -> int:
    answer = await ask(house.process().limits, house.org, {"u": BUDGET}, Mode.PEEK)
    return answer.standings[0].remaining


def subject(house: House) -> Accused:
    return Accused(Culprit.USER_BRAND, house.org, ("ub", "u"))


def penalties(house: House, ledger: int = 1000) -> RedisPenalties:
    return RedisPenalties(house.redis, ledger=ledger)


async def reset(house: House) -> int:
    _, (counter,) = await penalties(house).clear(subject(house), None, [MONEY], wipe=False, budget=True)
    return counter.used


async def test_a_counter_that_was_set_to_zero_stays_so_when_it_is_put_back(house: House) -> None:
    open_hold, settled = request_id(), request_id()
    async with running(house.process()) as limits:
        await reserve(limits, house.org, 300, settled)
        await limits.commit(of(house, settled), Use(0, 250, 50, DOLLAR))
        await reserve(limits, house.org, 200, open_hold)
        assert await reset(house) == 500
        # What is in flight is not forgiven: it is still going to be spent.
        assert await left(house) == 800
        await reserve(limits, house.org, 40)
        assert await left(house) == 760
        await drained(house)
    await command(house.node, "FLUSHALL")
    async with running(house.process()) as limits:
        assert await left(house) == 760
        await limits.commit(of(house, open_hold), Use(0, 150, 0, DOLLAR))
        assert await left(house) == 810
        await drained(house)
    await command(house.node, "FLUSHALL")
    assert await left(house) == 810


async def test_requests_are_forgiven_with_those_in_flight(house: House) -> None:
    count = limit(Algorithm.CALENDAR, 10, Calendar.DAY, id="messages")
    both, names = {"u": group(*BUDGET.limits, count)}, [request_id() for _ in range(3)]

    async def standing() -> list[int]:
        answer = await ask(house.process().limits, house.org, both, Mode.PEEK)
        return [standing.remaining for standing in answer.standings]

    async with running(house.process()) as limits:
        for name in names:
            await ask(limits, house.org, both, Mode.RESERVE, requests=1, micro_usd=100, request=name)
        await limits.commit(of(house, names[0]), Use(1, 50, 0, DOLLAR))
        _, (counter,) = await penalties(house).clear(subject(house), None, ["messages"], wipe=False, budget=True)
        assert (counter.limit_id, counter.used) == ("messages", 3)
        await limits.commit(of(house, names[1]), Use(1, 50, 0, DOLLAR))
        await ask(limits, house.org, both, Mode.RESERVE, requests=1, micro_usd=100)
        assert await standing() == [700, 9]
        await drained(house)
    await command(house.node, "FLUSHALL")
    async with running(house.process()) as limits:
        assert await standing() == [700, 9]
        await limits.commit(of(house, names[2]), Use(1, 50, 0, DOLLAR))
        assert await standing() == [750, 9]


async def test_two_resets_and_what_was_spent_between_them(house: House) -> None:
    async with running(house.process()) as limits:
        for amount, forgiven in ((100, 100), (70, 70), (0, 0)):
            if amount:
                name = request_id()
                await reserve(limits, house.org, amount, name)
                await limits.commit(of(house, name), Use(0, amount, 0, DOLLAR))
            assert await reset(house) == forgiven
        name = request_id()
        await reserve(limits, house.org, 30, name)
        await limits.commit(of(house, name), Use(0, 9, 0, DOLLAR))
        await drained(house)
    await command(house.node, "FLUSHALL")
    assert await left(house) == 991


async def test_a_reset_that_comes_twice_or_after_later_entries_changes_nothing(house: House) -> None:
    process, names = house.process(), [request_id(), request_id()]
    await reserve(process.limits, house.org, 100, names[0])
    await process.limits.commit(of(house, names[0]), Use(0, 100, 0, DOLLAR))
    await reset(house)
    await reserve(process.limits, house.org, 60, names[1])
    await process.limits.commit(of(house, names[1]), Use(0, 60, 0, DOLLAR))
    entries = list(await RedisStream(house.redis, At(time.time()), "one").drain(house.org, 100, 0))
    assert [entry.kind for entry in entries] == ["open", "committed", "reset", "open", "committed"]
    book = PostgresBook(house.database)
    await book.append(house.org, entries[3:])
    assert sum(house.spent()) == 60
    await book.append(house.org, [entries[2]])
    assert sum(house.spent()) == 60
    # The first charge comes last: it happened before the reset.
    await book.append(house.org, entries)
    await book.append(house.org, entries)
    assert sum(house.spent()) == 60


async def test_a_budget_that_the_store_does_not_have_is_not_set_to_zero(house: House) -> None:
    async with running(house.process()) as limits:
        await reserve(limits, house.org, 900)
        await drained(house)
    await command(house.node, "FLUSHALL")
    with pytest.raises(UnseededError):
        await reset(house)
    assert await left(house) == 100
    assert await reset(house) == 900
    assert await left(house) == 100  # it is all in flight


async def test_a_grant_needs_no_rebuild(house: House) -> None:
    ends = int(time.time()) + 60
    granted = Override(MONEY, 2000, ends)
    await PostgresOverrides(house.database, SystemClock()).grant(house.org, granted, "operator/test")
    await command(house.node, "FLUSHALL")
    anew = PostgresOverrides(house.database, SystemClock())
    await anew.refresh()
    assert anew.of(house.org, time.time()) == (granted,)
    assert anew.of(house.org, ends) == ()


async def test_too_many_open_reservations_hold_nobody_up(house: House) -> None:
    await reserve(house.process().limits, house.org, 1)
    index = f"hk:ratelimit:{{{house.org}}}:hx"
    members = [word for number in range(20_000) for word in (9e15, f"none:{number}")]
    await command(house.node, "ZADD", index, *members)
    with pytest.raises(TooManyOpenError):
        await penalties(house).clear(subject(house), None, [MONEY], wipe=True, budget=True)


def entry(number: int, days_ago: float, amount: int, kind: str = "committed") -> Entry:
    at = time.time() - days_ago * DAY
    window = int(at) // DAY * DAY
    charge = Charge("ub:u", f"{MONEY}|d", window, window + DAY, amount)
    return Entry(f"{int(at * 1000)}-{number}", kind, f"old-{number}", int(at * 1e6), int(at * 1e6), "gateway", 1, 1,
                 int(at * 1e6), (charge,), b"packed" if kind == "open" else b"")  # fmt: skip


async def folded(house: House, most: int = 2000, days: int = 0) -> int:
    return await LedgerFolder(PostgresBook(house.database), At(time.time() + days * DAY), Kept(), most).fold()


async def test_old_requests_become_sums_and_nothing_is_counted_twice_or_lost(house: House) -> None:
    book, other = PostgresBook(house.database), fresh("other")
    old = [entry(number, 80 + number % 3, 10) for number in range(25)]
    await book.append(house.org, [*old, entry(100, 80, 500, "reset"), entry(101, 80, 7, "open"), entry(102, 1, 3)])
    await book.append(other, [entry(1, 90, 4)])
    # In batches, the first of them cut short.
    await folded(house, most=10)
    sums = "SELECT sum(amount)::int, count(*)::int FROM ratelimit.used WHERE org_id = %(org)s"
    assert house.rows(sums) == [(257, 3)]
    assert house.rows("SELECT request_id FROM ratelimit.ledger WHERE org_id = %(org)s") == [("old-102",)]
    assert house.rows("SELECT count(*)::int FROM ratelimit.holds WHERE org_id = %(org)s") == [(0,)]
    assert house.rows(f"SELECT amount::int FROM ratelimit.used WHERE org_id = '{other}'") == [(4,)]
    assert await folded(house) == 0
    # What is older still is forgotten, sums and all.
    await folded(house, days=400)
    assert house.rows("SELECT count(*)::int FROM ratelimit.used WHERE org_id = %(org)s AND ends_s < "
                      f"{int(time.time())}") == [(0,)]  # fmt: skip


async def test_what_a_rebuild_needs_is_never_folded(house: House) -> None:
    name = request_id()
    async with running(house.process()) as limits:
        await reserve(limits, house.org, 300)
        await reserve(limits, house.org, 200, name)
        await limits.commit(of(house, name), Use(0, 150, 0, DOLLAR))
        await eventually(lambda: sum(house.spent()) == 150)
        await drained(house)
    await folded(house)
    await command(house.node, "FLUSHALL")
    assert await left(house) == 550
    assert await reserve(house.process().limits, house.org, 551) is Status.REFUSED


async def test_one_process_folds_at_a_time(house: House) -> None:
    await PostgresBook(house.database).append(house.org, [entry(1, 80, 10)])
    async with house.database.anonymous() as busy:
        await busy.execute("SELECT pg_advisory_xact_lock(hashtextextended('ratelimit.fold', 0))")
        assert await folded(house) == 0
    assert await folded(house) > 0


async def test_the_service_itself_can_neither_fold_by_hand_nor_read_another_organisations_sums(house: House) -> None:
    await PostgresBook(house.database).append(house.org, [entry(1, 80, 10)])
    await folded(house)
    async with house.database.anonymous() as connection:
        rows = await (await connection.execute("SELECT count(*) FROM ratelimit.used")).fetchone()
    assert rows == (0,)
    for statement in (
        "DELETE FROM ratelimit.ledger",
        "UPDATE ratelimit.used SET amount = 0",
        "DELETE FROM ratelimit.resets",
    ):
        with pytest.raises(Unavailable):
            async with house.database.anonymous() as connection:
                await connection.execute(statement)
