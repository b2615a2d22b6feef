"""The feed of revocations in PostgreSQL, through the doors that may look across organisations."""

from __future__ import annotations

from typing import LiteralString

from services.auth.ports import FeedPage
from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.kit.revocations import Rise

_READ: LiteralString = (
    "SELECT head, forgotten, sequence, org_id, name, epoch FROM auth.read_revocations(%s, %s) ORDER BY sequence"
)


class PostgresFeedStore:
    """`services.auth.ports.FeedStore`; no span, as it is asked a few times a second for ever."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, after: int, most: int) -> FeedPage:
        """One statement, hence of one moment."""
        async with self._database.anonymous() as connection:
            rows = await (await connection.execute(_READ, [after, most])).fetchall()
        if not rows:  # there is always a head, unless somebody took it away
            raise Unavailable("postgres")
        rises = tuple(Rise(int(row[2]), str(row[3]), str(row[4]), int(row[5])) for row in rows if row[2] is not None)
        return FeedPage(int(rows[0][0]), int(rows[0][1]), rises)

    async def forget(self) -> None:
        """By age alone; several processes may do it at once."""
        async with self._database.anonymous() as connection:
            await connection.execute("SELECT auth.forget_revocations()")
