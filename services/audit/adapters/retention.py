"""Runs, holds and months in PostgreSQL, by audit's retention role."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable

from services.audit.adapters.rows import LINK, SIGNED, link, signed
from services.audit.flows.retention_ports import Archive, BusyError, Chain, HoldRow, RunRow
from services.audit.policy import Head, Link, Record, Signed, encode
from services.kit.errors import Unavailable
from services.kit.postgres import Database

_DROPS, _PAUSE_SECONDS = 5, 0.5
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('hauberk.retention', 0))"
_LINKS: LiteralString = "SELECT " + LINK + " FROM audit.chain(%s, %s, %s, %s) e ORDER BY e.sequence"  # noqa: S608 - constants
_MARKS: LiteralString = "SELECT " + SIGNED + " FROM audit.checkpoints_of(%s, %s, %s) c ORDER BY c.sequence"  # noqa: S608 - constants
_LAST: LiteralString = (
    "SELECT run_id, policy, extract(epoch FROM at)::float8, extract(epoch FROM started_at)::float8,"
    " extract(epoch FROM finished_at)::float8, gone, problems FROM audit.retention_runs"
    " WHERE %s OR finished_at IS NOT NULL ORDER BY started_at DESC LIMIT 1"
)


class PostgresRetention:
    """Implements `retention_ports.Journal` and `retention_ports.Months`."""

    def __init__(self, database: Database, url: str) -> None:
        self._database, self._url = database, url

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """See the port: a lock of the session, which goes with the process."""
        try:
            connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=2)
        except psycopg.Error:
            raise Unavailable("postgres") from None
        async with connection:
            row = await (await connection.execute(_LOCK)).fetchone()
            if row is None or not row[0]:
                raise BusyError
            yield

    async def begin(self, run: RunRow) -> None:
        """See the port."""
        statement: LiteralString = (
            "INSERT INTO audit.retention_runs (run_id, policy, at, started_at)"
            " VALUES (%s, %s, to_timestamp(%s), to_timestamp(%s))"
        )
        await self._do(statement, [run.run_id, run.policy, run.at, run.started])

    async def note(self, run: RunRow) -> None:
        """See the port."""
        statement: LiteralString = (
            "UPDATE audit.retention_runs SET gone = %s, problems = %s, finished_at = to_timestamp(%s) WHERE run_id = %s"
        )
        await self._do(statement, [json.dumps(run.gone), json.dumps(list(run.problems)), run.finished, run.run_id])

    async def last(self, *, finished: bool) -> RunRow | None:
        """See the port."""
        rows = await self._rows(_LAST, [not finished])
        if not rows:
            return None
        run_id, policy, at, started, ended, gone, problems = rows[0]
        return RunRow(run_id, policy, at, started, ended, dict(gone), tuple(problems))

    async def holds(self) -> Sequence[HoldRow]:
        """See the port."""
        rows = await self._rows(
            "SELECT org_id, hold_id, subject, reason, placed_by, extract(epoch FROM placed_at)::float8"
            " FROM audit.standing_holds()",
            [],
        )
        return [HoldRow(*row) for row in rows]

    async def place_hold(self, hold: HoldRow) -> None:
        """See the port."""
        values = [hold.organisation, hold.hold_id, hold.subject, hold.reason, hold.placed_by]
        await self._do("SELECT audit.place_hold(%s, %s, %s, %s, %s)", values)

    async def release_hold(self, hold_id: str, operator: str) -> str | None:
        """See the port."""
        rows = await self._rows("SELECT audit.release_hold(%s, %s)", [hold_id, operator])
        return None if rows[0][0] is None else str(rows[0][0])

    async def report(self, records: Sequence[Record]) -> None:
        """See the port. Nothing personal is in them, so nothing needs a subject's key."""
        for record in records:
            values = [record.organisation, [], [encode(record)]]
            await self._do("SELECT audit.take_in(%s, %s::text[], %b)", values)

    async def months(self) -> Sequence[str]:
        """See the port."""
        return [str(row[0]) for row in await self._rows("SELECT * FROM audit.months()", [])]

    async def chains(self, month: str) -> Sequence[Chain]:
        """See the port."""
        return [Chain(*row) for row in await self._rows("SELECT * FROM audit.month_chains(%s)", [month])]

    async def archives(self, month: str) -> Mapping[str, Archive]:
        """See the port."""
        statement: LiteralString = (
            "SELECT org_id, first, last, tip, digest, extract(epoch FROM made_at)::float8 FROM audit.archives_of(%s)"
        )
        rows = await self._rows(statement, [month])
        return {str(row[0]): Archive(row[1], row[2], bytes(row[3]), bytes(row[4]), row[5]) for row in rows}

    async def put_archive(self, organisation: str, month: str, archive: Archive) -> None:
        """See the port."""
        values = [organisation, month, archive.first, archive.last, archive.tip, archive.digest, archive.made_at]
        await self._do("SELECT audit.put_archive(%s, %s, %s, %s, %b, %b, to_timestamp(%s))", values)

    async def put_cut(self, organisation: str, sequence: int, cut: Signed) -> None:
        """See the port."""
        values = [organisation, sequence, cut.statement, cut.kid, cut.signature]
        await self._do("SELECT audit.put_cut(%s, %s, %b, %s, %b)", values)

    async def forget(self, organisation: str, after: int, until: int, *, events_too: bool) -> None:
        """See the port."""
        await self._do("SELECT audit.forget_stretch(%s, %s, %s, %s)", [organisation, after, until, events_too])

    async def drop(self, month: str) -> None:
        """See the port: whoever reads or seals goes first, and is waited for anew."""
        for _ in range(_DROPS - 1):
            if await self._dropped(month):
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        if not await self._dropped(month):
            raise Unavailable("postgres")

    async def links(self, organisation: str, after: int, until: int, limit: int) -> Sequence[Link]:
        """See the port."""
        return [link(row) for row in await self._rows(_LINKS, [organisation, after, until, limit])]

    async def marks(self, organisation: str, after: int, limit: int) -> Sequence[Signed]:
        """See the port."""
        return [signed(row) for row in await self._rows(_MARKS, [organisation, after, limit])]

    async def head(self, organisation: str) -> Head:
        """See the port."""
        ((sequence, tip, _),) = await self._rows("SELECT * FROM audit.tip(%s)", [organisation])
        return Head(int(sequence), bytes(tip)) if sequence is not None else Head()

    async def _dropped(self, month: str) -> bool:
        async with self._database.anonymous() as connection:
            try:
                await connection.execute("SELECT audit.drop_month(%s)", [month])
            except (LockNotAvailable, DeadlockDetected):
                await connection.rollback()
                return False
            return True

    async def _rows(self, statement: LiteralString, values: Any) -> list[tuple[Any, ...]]:
        async with self._database.anonymous() as connection:
            return await (await connection.execute(statement, values)).fetchall()

    async def _do(self, statement: LiteralString, values: Any) -> None:
        async with self._database.anonymous() as connection:
            await connection.execute(statement, values)
