"""Redis behind its door: one round trip per script, bounded waits, and no word of the driver."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.kit.errors import Unavailable
from services.kit.redis import RedisStore, Script
from tests.support.stores import DataStores

ADD = Script("add", "return redis.call('INCRBY', KEYS[1], ARGV[1])")
BROKEN = Script("broken", "return redis.call('INCRBY', KEYS[1], 'ada@example.com')")


@pytest_asyncio.fixture(loop_scope="session")
async def store(data_stores: DataStores) -> AsyncIterator[RedisStore]:
    opened = RedisStore(data_stores.redis_url, timeout_seconds=0.5)
    yield opened
    await opened.close()


async def test_a_script_is_one_round_trip_once_the_server_knows_it(store: RedisStore) -> None:
    key = f"hk:test:{time.monotonic_ns()}"
    await store.run(ADD, [key], [1])
    before = store.round_trips
    assert await store.run(ADD, [key], [2]) == 3
    assert store.round_trips - before == 1


async def test_a_server_that_forgot_a_script_is_told_again_and_it_runs_once(store: RedisStore) -> None:
    key = f"hk:test:{time.monotonic_ns()}"
    await store.run(ADD, [key], [1])
    await store.client.script_flush()
    assert await store.run(ADD, [key], [1]) == 2


async def test_what_the_driver_says_stays_here(store: RedisStore) -> None:
    with pytest.raises(Unavailable) as caught:
        await store.run(BROKEN, ["hk:test:broken"], [])
    assert str(caught.value) == "redis is unavailable"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_refused_connection_is_unavailable_and_names_no_address() -> None:
    store = RedisStore("redis://:hunter2@127.0.0.1:9/0", timeout_seconds=0.2)
    with pytest.raises(Unavailable) as caught:
        await store.run(ADD, ["k"], [1])
    assert "hunter2" not in repr(caught.value)
    assert not await store.ping()
    await store.close()


async def test_a_server_that_never_answers_costs_one_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = RedisStore(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout_seconds=0.2)
        started = time.perf_counter()
        with pytest.raises(Unavailable):
            await store.run(ADD, ["k"], [1])
        assert time.perf_counter() - started < 1.0
        await store.close()


async def test_a_full_pool_answers_in_time(data_stores: DataStores) -> None:
    store = RedisStore(data_stores.redis_url, timeout_seconds=0.2, max_connections=1)

    async def block() -> None:
        with store.guard():
            await store.client.blpop(["hk:test:nothing"], timeout=0.15)

    blocked = [asyncio.create_task(block()) for _ in range(4)]
    started = time.perf_counter()
    results = await asyncio.gather(*blocked, return_exceptions=True)
    assert time.perf_counter() - started < 2.0
    assert all(result is None or isinstance(result, Unavailable) for result in results)
    await store.close()


async def test_a_wrong_password_is_unavailable_as_well(data_stores: DataStores) -> None:
    wrong = RedisStore(data_stores.redis_url.replace("unix://:", "unix://:x"), timeout_seconds=0.5)
    with pytest.raises(Unavailable, match=r"^redis is unavailable$"):
        await wrong.run(ADD, ["k"], [1])
    await wrong.close()
