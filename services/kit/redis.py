"""Redis behind one door: bounded waits, scripts in one round trip, and no driver text beyond this file.

Failure semantics: whatever goes wrong (refused, reset, slow, pool exhausted, out of memory, loading) becomes
`Unavailable("redis")`. Nothing is retried here: an attempt that may have been applied is only safe to repeat for a
caller who knows that it is idempotent. A server that comes back is found again by the next call.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from services.kit.errors import Unavailable
from services.kit.redis_cluster import cluster_client, connect_with, is_cluster
from services.kit.redis_line import Line
from services.kit.telemetry import span

DEFAULT_TIMEOUT_SECONDS = 0.25
DEFAULT_CONNECTIONS = 64
# Scripts that wait for the answers of one server; whoever comes then waits for a place first.
_IN_FLIGHT = 1024
_FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError, asyncio.IncompleteReadError)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script; it is sent by digest, and by source only to a server that does not know it."""

    name: str
    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        # SHA-1 is what the Redis protocol names scripts by; nothing is secured with it.
        object.__setattr__(self, "sha", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())


class _Meter:
    """Counts what is sent, one per command, script or pipeline."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = 0


def _metered(base: type[AbstractConnection], meter: _Meter) -> type[AbstractConnection]:
    packer: Any = HiredisRespSerializer()

    class Metered(base):  # type: ignore[valid-type,misc]
        async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
            meter.sent += 1
            await super().send_packed_command(command, check_health)

        def pack_command(self, *args: Any) -> list[bytes]:
            # The driver does this in Python here, which takes longer than the server's answer to a long command.
            packed: list[bytes] = packer.pack(*args)
            return packed

    return Metered


def _transport(url: str) -> type[AbstractConnection]:
    if url.startswith(("rediss://", "rediss+cluster://")):
        return SSLConnection
    return UnixDomainSocketConnection if url.startswith("unix://") else Connection


class RedisStore:
    """One server, or a cluster, shared by a whole process: a pool of connections for commands, and for the scripts of
    one server a single connection that all of them share.

    `url` is `redis://`, `rediss://` (TLS) or `unix://`; `redis+cluster://` or `rediss+cluster://`, with one or more
    `host:port`, for a cluster. `timeout_seconds` bounds each wait: for a free connection, for connecting, for an
    answer; a script on a cluster, redirections included, gets four times as long.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        max_connections: int = DEFAULT_CONNECTIONS,
    ) -> None:
        self._meter = _Meter()
        self._slots = asyncio.Semaphore(max_connections)
        self._longest = timeout_seconds * 4
        self.cluster = is_cluster(url)
        self._pool: BlockingConnectionPool | None = None
        self._timeout = timeout_seconds
        self._line: Line | None = None
        self._opening: asyncio.Task[Line] | None = None
        metered = _metered(_transport(url), self._meter)
        if self.cluster:
            shards = cluster_client(url, timeout_seconds, max_connections)
            connect_with(shards, cast(type[Connection], metered))
            self.client: Redis = cast(Redis, shards)  # the commands that this house uses are the same
        else:
            options = cast(dict[str, Any], parse_url(url))
            options["connection_class"] = metered
            self._pool = BlockingConnectionPool(
                max_connections=max_connections,
                timeout=timeout_seconds,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=Retry(NoBackoff(), 0),
                retry_on_error=[],
                protocol=2,
                driver_info=None,
                **options,
            )
            self.client = Redis(connection_pool=self._pool)
        self._execute: Callable[..., Awaitable[Any]] = self.client.execute_command

    @property
    def round_trips(self) -> int:
        """What was sent so far, handshakes included; tests and benchmarks take differences."""
        return self._meter.sent

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turns every failure of the driver inside the block into `Unavailable("redis")`, without its text."""
        try:
            yield
        except _FAILURES:
            # `from None`: the driver's text names hosts and keys, and must not travel with the exception.
            raise Unavailable("redis") from None

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        """Runs a script in one round trip (two the first time a server sees it)."""
        with span(f"redis {script.name}"):
            try:
                if not self.cluster:
                    return await self._evaluate(script, keys, args)
                # A cluster's client refuses where that of one server waits for a place.
                async with asyncio.timeout(self._longest), self._slots:
                    return await self._evaluate_somewhere(script, keys, args)
            except _FAILURES:
                raise Unavailable("redis") from None  # see `guard`

    async def _evaluate(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        line = self._line
        if line is None or not line.usable or line.loop is not asyncio.get_running_loop():
            line = await self._opened()
        try:
            return await self._asked(line, ("EVALSHA", script.sha, len(keys), *keys, *args))
        except NoScriptError:
            # Not run at all, so sending it again is safe; EVAL also teaches it to the server.
            return await self._asked(line, ("EVAL", script.source, len(keys), *keys, *args))

    async def _asked(self, line: Line, words: tuple[Any, ...]) -> Any:
        if line.full:
            await line.space()
        if not line.usable:
            raise RedisConnectionError
        self._meter.sent += 1
        return await line.ask(hiredis.pack_command(words))

    async def _opened(self) -> Line:
        """The line, opened by whoever comes first; a caller who is cancelled leaves the opening to the others."""
        if self._opening is None or self._opening.get_loop() is not asyncio.get_running_loop():
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opening_done)
        return await asyncio.shield(self._opening)

    async def _open(self) -> Line:
        pool: Any = self._pool  # there is one, as this is no cluster
        line = Line(self._timeout, _IN_FLIGHT)
        await line.open(pool.make_connection())
        self._line = line
        return line

    def _opening_done(self, task: asyncio.Task[Line]) -> None:
        if not task.cancelled():
            task.exception()  # every caller may have gone
        if self._opening is task:
            self._opening = None

    async def _evaluate_somewhere(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        try:
            return await self._execute("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self._execute("EVAL", script.source, len(keys), *keys, *args)

    async def runs(self) -> str:
        """Which run of which server answers: another text when one was started anew, or another took over."""
        with self.guard():
            if not self.cluster:
                return str((await cast(Any, self.client.info("server")))["run_id"])
            found = await self._execute("INFO", "server", target_nodes="primaries")
        shards = found.items() if "run_id" not in found else [("", found)]
        return ",".join(sorted(f"{name}={about['run_id']}" for name, about in shards))

    async def ping(self) -> bool:
        """True when the server answers in time; never raises."""
        try:
            with self.guard():
                return bool(await cast(Any, self.client.ping()))
        except Unavailable:
            return False

    async def close(self) -> None:
        """Closes every connection; a store that is already gone is no error."""
        if self._opening is not None:
            self._opening.cancel()
        if self._line is not None:
            self._line.end()
            self._line = None
        with suppress(Unavailable), self.guard():
            await self.client.aclose()
            if self._pool is not None:
                await self._pool.aclose()
