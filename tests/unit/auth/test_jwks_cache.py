"""The key set cache against a real HTTP server that misbehaves."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import pytest_asyncio

from services.auth.adapters.jwks import source
from services.auth.adapters.jwks.cache import CachePolicy, JwksCache
from services.auth.adapters.jwks.source import FileSource, UrlSource, client
from services.kit.errors import Unavailable
from services.kit.reach import Reach
from tests.unit.auth.fakes import HandClock
from tests.unit.auth.issuer import OTHER_RSA_KEY, jwk, key_set

RS = frozenset({"RS256"})
LOOPBACK = Reach(loopback=True)
GOOD = key_set(jwk())
ROTATED = key_set(jwk(), jwk(OTHER_RSA_KEY, kid="k2"))


class Endpoint(ThreadingHTTPServer):
    """Answers what the test put here; counts what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.headers, self.delay = 200, GOOD, dict[str, str](), 0.0
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/keys"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        time.sleep(self.server.delay)
        try:
            self.send_response(self.server.status)
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(self.server.body)
        except OSError:
            pass  # the client gave up, as it should

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest_asyncio.fixture(loop_scope="session")
async def cache(endpoint: Endpoint, clock: HandClock) -> AsyncIterator[JwksCache]:
    async with client() as fetcher:
        yield JwksCache("acme", UrlSource(endpoint.url, fetcher, LOOPBACK), RS, clock)


async def unavailable(cache: JwksCache, kid: str = "k1") -> bool:
    try:
        await cache.find(kid)
    except Unavailable:
        return True
    return False


def html(server: Endpoint) -> None:
    server.body = b"<html>sign in</html>"


def failing(server: Endpoint) -> None:
    server.status = 503


def redirecting(server: Endpoint) -> None:
    server.status, server.headers = 302, {"location": "/elsewhere"}


def huge(server: Endpoint) -> None:
    server.body = b'{"keys": [' + b" " * 400_000 + b"]}"


def compressed(server: Endpoint) -> None:
    server.body, server.headers = gzip.compress(GOOD), {"content-encoding": "gzip"}


def empty(server: Endpoint) -> None:
    server.body = b'{"keys": []}'


FAULTS = [html, failing, redirecting, huge, compressed, empty]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_endpoint_means_unavailable_never_a_refusal(
    endpoint: Endpoint, cache: JwksCache, fault: object
) -> None:
    assert callable(fault)
    fault(endpoint)
    assert await unavailable(cache)
    assert endpoint.asked == ["/keys"]  # and no redirect was followed


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_last_good_set_outlives_a_fault(
    endpoint: Endpoint, cache: JwksCache, clock: HandClock, fault: object
) -> None:
    assert await cache.find("k1")
    assert callable(fault)
    fault(endpoint)
    clock.time += 86_000
    assert await unavailable(cache, "k2")
    assert await cache.find("k1")
    clock.time += 500
    assert await unavailable(cache, "k1")


async def test_an_endpoint_that_refuses_connections(clock: HandClock) -> None:
    async with client() as fetcher:
        cache = JwksCache("acme", UrlSource("http://127.0.0.1:9/keys", fetcher, LOOPBACK), RS, clock)
        assert await unavailable(cache)


async def test_random_names_cause_one_fetch_a_cooldown(endpoint: Endpoint, cache: JwksCache, clock: HandClock) -> None:
    for number in range(10_000):
        assert await cache.find(f"random-{number}") is None
    assert len(endpoint.asked) == 1
    clock.time += 30
    for number in range(1000):
        assert await cache.find(f"random-{number}") is None
    assert len(endpoint.asked) == 2


async def test_the_cooldown_counts_attempts_that_fail(endpoint: Endpoint, cache: JwksCache) -> None:
    endpoint.status = 500
    for number in range(200):
        assert await unavailable(cache, f"random-{number}")
    assert len(endpoint.asked) == 1


async def test_an_absent_name_is_remembered_past_the_cooldown(
    endpoint: Endpoint, cache: JwksCache, clock: HandClock
) -> None:
    assert await cache.find("k2") is None
    clock.time += 31
    assert await cache.find("k2") is None
    assert len(endpoint.asked) == 1
    clock.time += 300
    endpoint.body = ROTATED
    assert await cache.find("k2")
    assert len(endpoint.asked) == 2


async def test_a_rotated_key_is_found_after_a_cooldown(endpoint: Endpoint, cache: JwksCache, clock: HandClock) -> None:
    assert await cache.find("k1")
    endpoint.body = ROTATED
    assert await cache.find("k2") is None
    clock.time += 30
    assert await cache.find("k2")


async def test_many_at_once_cause_one_fetch(endpoint: Endpoint, cache: JwksCache) -> None:
    endpoint.delay = 0.05
    found = await asyncio.gather(*(cache.find("k1") for _ in range(50)))
    assert all(found)
    assert len(endpoint.asked) == 1


async def test_a_cached_key_never_waits_for_a_refresh(endpoint: Endpoint, cache: JwksCache, clock: HandClock) -> None:
    assert await cache.find("k1")
    clock.time += 60
    endpoint.delay = 0.5
    slow = asyncio.ensure_future(cache.find("unknown"))
    await asyncio.sleep(0.05)
    started = time.perf_counter()
    for _ in range(100):
        assert await cache.find("k1")
    assert time.perf_counter() - started < 0.1
    assert not slow.done()
    assert await slow is None


async def test_giving_up_does_not_take_the_fetch_from_the_others(endpoint: Endpoint, cache: JwksCache) -> None:
    endpoint.delay = 0.2
    first = asyncio.ensure_future(cache.find("k1"))
    second = asyncio.ensure_future(cache.find("k1"))
    await asyncio.sleep(0.05)
    first.cancel()
    assert await second
    assert len(endpoint.asked) == 1


async def test_a_hanging_endpoint_is_given_up(
    endpoint: Endpoint, cache: JwksCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "TOTAL_SECONDS", 0.1)
    endpoint.delay = 0.5
    started = time.perf_counter()
    assert await unavailable(cache)
    assert time.perf_counter() - started < 0.4


async def test_the_set_is_renewed_before_it_is_old(endpoint: Endpoint, clock: HandClock) -> None:
    async with client() as fetcher:
        cache = JwksCache("acme", UrlSource(endpoint.url, fetcher, LOOPBACK), RS, clock, CachePolicy(poll=0.01))
        assert await cache.load()
        keeper = asyncio.ensure_future(cache.keep_fresh())
        await asyncio.sleep(0.05)
        assert len(endpoint.asked) == 1
        endpoint.body = ROTATED
        clock.time += 241
        await asyncio.sleep(0.2)
        assert len(endpoint.asked) == 2
        assert await cache.find("k2")
        keeper.cancel()


async def test_a_file_is_read_again_when_it_changes_and_kept_when_it_breaks(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(GOOD)
    cache = JwksCache("acme", FileSource(path), RS, clock, CachePolicy(poll=0.01))
    assert await cache.load()
    keeper = asyncio.ensure_future(cache.keep_fresh())
    path.write_bytes(ROTATED)
    await asyncio.sleep(0.2)
    assert await cache.find("k2")
    path.write_bytes(b"broken")
    await asyncio.sleep(0.1)
    assert await cache.find("k2")
    keeper.cancel()


async def test_a_missing_file_is_not_a_set(tmp_path: Path, clock: HandClock) -> None:
    assert not await JwksCache("acme", FileSource(tmp_path / "none"), RS, clock).load()
