"""Which set of keys is in force: another set is another generation, and what is withdrawn is gone."""

from __future__ import annotations

import asyncio

import pytest

from services.auth.adapters.jwks.cache import CachePolicy, JwksCache
from services.auth.adapters.jwks.source import UrlSource, client
from services.kit.errors import Unavailable
from services.kit.reach import PUBLIC
from tests.unit.auth.fakes import HandClock
from tests.unit.auth.issuer import OTHER_RSA_KEY, jwk, key_set

RS = frozenset({"RS256"})
GOOD = key_set(jwk())
ROTATED = key_set(jwk(), jwk(OTHER_RSA_KEY, kid="k2"))


class Endpoint:
    """A source that counts, and answers when its gate is open."""

    def __init__(self) -> None:
        self.body = GOOD
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self) -> bytes:
        self.asked += 1
        await self.gate.wait()
        return self.body

    async def version(self) -> str:
        return ""


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def cache(endpoint: Endpoint, clock: HandClock) -> JwksCache:
    return JwksCache("acme", endpoint, RS, clock)


async def test_the_generation_tells_another_set_from_the_same_one(
    endpoint: Endpoint, cache: JwksCache, clock: HandClock
) -> None:
    assert cache.generation() is None
    assert await cache.load()
    first = cache.generation()
    assert await cache.load()
    assert cache.generation() == first
    endpoint.body = ROTATED
    assert await cache.load()
    assert cache.generation() not in {first, None}
    clock.time += 86_400
    assert cache.generation() is None


async def test_a_withdrawn_key_is_gone_with_the_next_set(endpoint: Endpoint, cache: JwksCache) -> None:
    assert await cache.find("k1")
    endpoint.body = key_set(jwk(OTHER_RSA_KEY, kid="k2"))
    assert await cache.load()
    assert await cache.find("k1") is None
    assert await cache.find("k2")


async def test_a_cached_key_is_there_within_the_turn_whatever_is_under_way(
    endpoint: Endpoint, cache: JwksCache, clock: HandClock
) -> None:
    """Not merely quick: the question is answered before anything else can run."""
    assert await cache.load()
    endpoint.gate.clear()
    clock.time += 60
    waiting = [asyncio.ensure_future(cache.find(f"random-{number}")) for number in range(100)]
    await asyncio.sleep(0)
    for _ in range(3):
        question = cache.find("k1")
        with pytest.raises(StopIteration) as answered:
            question.send(None)
        assert answered.value.value is not None
        await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    endpoint.gate.set()
    assert await asyncio.gather(*waiting) == [None] * 100
    assert endpoint.asked == 2


async def test_the_memory_of_absent_names_is_bounded(endpoint: Endpoint, clock: HandClock) -> None:
    cache = JwksCache("acme", endpoint, RS, clock, CachePolicy(cooldown=0.0, negative_entries=8))
    for number in range(20):
        assert await cache.find(f"random-{number}") is None
    asked = endpoint.asked
    for number in range(12, 20):
        assert await cache.find(f"random-{number}") is None
    assert endpoint.asked == asked
    assert await cache.find("random-11") is None
    assert endpoint.asked == asked + 1


async def test_a_clock_that_was_set_back_does_not_end_renewal(endpoint: Endpoint, clock: HandClock) -> None:
    cache = JwksCache("acme", endpoint, RS, clock, CachePolicy(poll=0.01))
    assert await cache.load()
    clock.time -= 3600
    keeper = asyncio.ensure_future(cache.keep_fresh())
    await asyncio.sleep(0.1)
    assert endpoint.asked == 2
    keeper.cancel()


async def test_an_issuer_is_asked_only_where_it_may_be(clock: HandClock) -> None:
    connected = []

    async def connect(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with server, client() as fetcher:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        cache = JwksCache("acme", UrlSource(url, fetcher, PUBLIC), RS, clock)
        with pytest.raises(Unavailable):
            await cache.find("k1")
    assert connected == []
