"""The connection that all scripts share: an answer belongs to its question, whatever happens to the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import hiredis
import pytest
import pytest_asyncio

from services.kit import redis as kit_redis
from services.kit.errors import Unavailable
from services.kit.redis import RedisStore, Script
from tests.support.stores import DataStores

ECHO = Script("echo", "return ARGV[1]")
SLOW = Script("slow", "local n = 0 while n < 3000000 do n = n + 1 end return ARGV[1]")
Write = Callable[[bytes], None]
Handler = Callable[[bytes, Write], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def store(data_stores: DataStores) -> AsyncIterator[RedisStore]:
    opened = RedisStore(data_stores.redis_url, timeout_seconds=5)
    yield opened
    await opened.close()


class Played:
    """A server that answers as the test says; it is asked for the first argument of each script."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections = 0
        self.reads = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        words = hiredis.Reader()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.reads += 1
                words.feed(data)
                while (command := words.gets()) is not False:
                    await self.handler(command[-1], writer.write)
        writer.close()

    def hang_up(self) -> None:
        for writer in self._open:
            writer.close()


@asynccontextmanager
async def played(handler: Handler, timeout: float = 0.2) -> AsyncIterator[tuple[Played, RedisStore]]:
    server = Played(handler)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    store = RedisStore(f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0", timeout_seconds=timeout)
    try:
        yield server, store
    finally:
        await store.close()
        server.hang_up()
        listening.close()


async def honest(word: bytes, write: Write) -> None:
    write(b"$%d\r\n%s\r\n" % (len(word), word))


async def ask(store: RedisStore, word: str) -> bytes:
    answer: bytes = await store.run(ECHO, ["k"], [word])
    return answer


async def test_everybody_gets_the_answer_to_the_own_question(store: RedisStore) -> None:
    words = [f"word-{number}" for number in range(500)]
    assert await asyncio.gather(*(ask(store, word) for word in words)) == [word.encode() for word in words]


async def test_what_is_asked_in_one_turn_is_written_at_once() -> None:
    async with played(honest) as (server, store):
        await ask(store, "first")
        before = server.reads
        await asyncio.gather(*(ask(store, str(number)) for number in range(100)))
        assert server.reads - before <= 4
        assert server.connections == 1


async def test_a_cancelled_caller_takes_nothing_from_the_others(store: RedisStore) -> None:
    await ask(store, "open")
    slow = asyncio.create_task(store.run(SLOW, ["k"], ["slow"]))
    gone = [asyncio.create_task(ask(store, f"gone-{number}")) for number in range(5)]
    stays = [asyncio.create_task(ask(store, f"stays-{number}")) for number in range(5)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    assert await asyncio.gather(*stays) == [f"stays-{number}".encode() for number in range(5)]
    assert await slow == b"slow"
    assert all(task.cancelled() for task in gone)


async def test_an_answer_that_comes_too_late_is_nobodys() -> None:
    held: list[Write] = []

    async def holds_first(word: bytes, write: Write) -> None:
        if word != b"next":
            held.append(write)
            return
        await honest(word, write)

    async with played(holds_first) as (server, store):
        answers = await asyncio.gather(*(ask(store, word) for word in ("late", "behind")), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
        with contextlib.suppress(OSError):
            held[0](b"$4\r\nlate\r\n")
        assert await ask(store, "next") == b"next"
        assert server.connections == 2


@pytest.mark.parametrize("said", [b"?what\r\n", b"$1\r\na\r\n$1\r\nb\r\n", b"-READONLY a replica at 10.0.0.7\r\n"])
async def test_a_server_that_talks_nonsense_is_not_listened_to_again(said: bytes) -> None:
    async def lies_once(word: bytes, write: Write) -> None:
        write(said) if word == b"lie" else await honest(word, write)

    async with played(lies_once) as (server, store):
        with contextlib.suppress(Unavailable):
            await ask(store, "lie")
        await asyncio.sleep(0.02)
        assert await ask(store, "truth") == b"truth"
        assert server.connections == 2


async def test_a_server_that_hangs_up_is_unavailable_and_found_again() -> None:
    async def silent_once(word: bytes, write: Write) -> None:
        if word != b"wait":
            await honest(word, write)

    async with played(silent_once, timeout=5) as (server, store):
        waits = [asyncio.create_task(ask(store, "wait")) for _ in range(3)]
        await asyncio.sleep(0.05)
        server.hang_up()
        answers = await asyncio.gather(*waits, return_exceptions=True)
        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert await ask(store, "again") == b"again"


async def test_more_than_fit_wait_for_a_place_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_redis, "_IN_FLIGHT", 2)
    most, now = 0, 0

    async def counts(word: bytes, write: Write) -> None:
        nonlocal most, now
        if word == b"never":
            return
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1
        await honest(word, write)

    async with played(counts, timeout=0.3) as (_, store):
        words = [str(number) for number in range(12)]
        assert await asyncio.gather(*(ask(store, word) for word in words)) == [word.encode() for word in words]
        waits = [asyncio.create_task(ask(store, "never")) for _ in range(5)]
        await asyncio.sleep(0.05)
        waits[3].cancel()
        answers = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(answer) for answer in answers].count(Unavailable) == 4


async def test_who_is_cancelled_while_it_opens_leaves_it_to_the_others() -> None:
    async with played(honest) as (server, store):
        first = asyncio.create_task(ask(store, "first"))
        second = asyncio.create_task(ask(store, "second"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == b"second"
        assert server.connections == 1


async def test_a_closed_store_opens_again_when_it_is_asked(data_stores: DataStores) -> None:
    store = RedisStore(data_stores.redis_url, timeout_seconds=5)
    assert await ask(store, "one") == b"one"
    await store.close()
    assert await ask(store, "two") == b"two"
    await store.close()
