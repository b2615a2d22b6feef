"""PostgreSQL behind one door: a transaction with the proven tenant, bounded waits, and no driver text beyond this file.

Failure semantics: whatever the driver or the pool reports becomes `Unavailable("postgres")`, unless the body of the
transaction caught it and raised something better (a unique violation that means AlreadyExists). A server that comes
back is found again by the next transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import sql, waiting
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from services.kit.errors import Unavailable
from services.kit.org_proof import well_formed

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)
_SLICE_SECONDS = 0.2  # how long one wait for a connection lasts before the pool is asked to try connecting again
_GRACE_SECONDS = 0.5  # the server ends a slow statement itself; after this much longer it is taken for hung
_BEGIN = sql.SQL(
    "BEGIN; SELECT pg_catalog.set_config('hauberk.org', {}, true), pg_catalog.set_config('statement_timeout', {}, true)"
)

for _name in ("psycopg", "psycopg.pool"):  # they log texts of the server: addresses, role names, values
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Proven(Protocol):
    """Whoever holds a proof of its organisation: `services.kit.caller.Caller`."""

    @property
    def org_mac(self) -> str:
        """The claim that `hauberk.current_org()` verifies."""
        ...


class _BoundedConnection(psycopg.AsyncConnection[Any]):
    """Gives up on a server that does not answer, and on cancellation at once: the pool replaces the connection."""

    bound_seconds: float = 1.5

    async def wait(self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None) -> _Result:
        limit = self.bound_seconds if timeout is None else min(timeout, self.bound_seconds)
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=limit)
        except BaseException:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class Database:
    """A pool of connections of one service's role.

    `acquire_seconds` bounds the wait for a connection with an open transaction, `statement_seconds` each statement.
    """

    def __init__(
        self,
        url: str,
        *,
        min_size: int = 1,
        max_size: int = 8,
        acquire_seconds: float = 1.0,
        statement_seconds: float = 1.0,
    ) -> None:
        bound = statement_seconds + _GRACE_SECONDS
        self._acquire_seconds = acquire_seconds
        self._statement_ms = str(max(1, round(statement_seconds * 1000)))
        self._pool: AsyncConnectionPool[_BoundedConnection] = AsyncConnectionPool(
            url,
            # A class of its own, because the pool builds connections without arguments for it.
            connection_class=type("BoundedConnection", (_BoundedConnection,), {"bound_seconds": bound}),
            # The transaction is opened here, in one round trip with the tenant; the driver would add another.
            kwargs={"autocommit": True, "connect_timeout": 2, "application_name": "hauberk"},
            min_size=min_size,
            max_size=max_size,
            max_waiting=max_size * 16,
            reconnect_timeout=_SLICE_SECONDS,
            open=False,
        )

    async def open(self) -> None:
        """Start connecting in the background; does not wait for the server."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=2.0)

    async def ready(self) -> bool:
        """Whether the server answers right now (for the health of this process; never for a decision)."""
        try:
            async with self.anonymous():
                return True
        except Unavailable:
            return False

    @asynccontextmanager
    async def tenant(self, caller: Proven) -> AsyncIterator[Connection]:
        """A transaction that sees the rows of the caller's organisation only; commits unless the body raises."""
        # A proof of the wrong shape is sent as none: the transaction then sees no tenant's rows.
        async with self._transaction(caller.org_mac if well_formed(caller.org_mac) else "") as connection:
            yield connection

    @asynccontextmanager
    async def anonymous(self) -> AsyncIterator[Connection]:
        """A transaction without a tenant: it sees no tenant's rows."""
        async with self._transaction("") as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, proof: str) -> AsyncIterator[Connection]:
        connection: _BoundedConnection | None = None
        try:
            connection = await self._begin(proof)
            try:
                yield connection
            except BaseException:
                with contextlib.suppress(psycopg.Error):
                    await connection.rollback()
                raise
            await _commit(connection)
        except psycopg.Error as error:
            raise _unavailable(error) from None
        finally:
            if connection is not None:
                await self._pool.putconn(connection)

    async def _begin(self, proof: str) -> _BoundedConnection:
        """A connection with an open transaction. One that died unnoticed is dropped for the next: nothing was asked
        of it yet, so this costs no round trip to check and repeats nothing."""
        statement = _BEGIN.format(sql.Literal(proof), sql.Literal(self._statement_ms))
        try:
            async with asyncio.timeout(self._acquire_seconds):
                while True:
                    connection = await self._begin_once(statement)
                    if connection is not None:
                        return connection
        except TimeoutError as error:
            raise _unavailable(error) from None

    def _forget_who_gave_up(self) -> None:
        """The pool counts those who gave up as still waiting until a connection comes, and from `max_waiting` on it
        does not even try to get one. A long outage would then never end for this process."""
        waiting = self._pool._waiting
        while waiting and waiting[0].error is not None:
            waiting.popleft()

    async def _begin_once(self, statement: sql.Composed) -> _BoundedConnection | None:
        try:
            connection = await self._pool.getconn(timeout=_SLICE_SECONDS)
        except PoolTimeout:
            self._forget_who_gave_up()
            return None
        try:
            await connection.execute(statement, prepare=False)
        except BaseException as error:
            connection.pgconn.finish()
            await self._pool.putconn(connection)
            if not isinstance(error, psycopg.OperationalError):
                raise
            return None
        return connection


async def _commit(connection: Connection) -> None:
    if connection.pgconn.transaction_status == TransactionStatus.INERROR:
        # PostgreSQL would answer COMMIT with a quiet rollback; a body that goes on after an error needs a savepoint.
        await connection.rollback()
        raise psycopg.errors.InFailedSqlTransaction
    await connection.commit()


def _unavailable(error: BaseException) -> Unavailable:
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    _log.warning("postgres failed: %s, SQLSTATE %s", type(error).__name__, state or "none")
    return Unavailable("postgres")
