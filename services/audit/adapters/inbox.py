"""What comes in: the service's role may add events, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg

from services.audit.ports import Batch, ErasedMeanwhileError, SubjectKey
from services.kit.errors import Unavailable
from services.kit.postgres import Database

_ERASED = "HK410"


class PostgresInbox:
    """Implements `ports.Inbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_in(self, batches: Mapping[str, Batch]) -> int:
        """See the port."""
        stored = 0
        async with self._database.anonymous() as connection:
            for organisation in sorted(batches):  # one order of locks for everybody
                batch = batches[organisation]
                values = [organisation, list(batch.keys), list(batch.bodies)]
                try:
                    cursor = await connection.execute("SELECT audit.take_in(%s, %s, %b)", values)
                except psycopg.Error as error:
                    if error.sqlstate == _ERASED:
                        raise ErasedMeanwhileError from None
                    raise
                row = await cursor.fetchone()
                stored += int(row[0]) if row else 0
        return stored

    async def subject_keys(
        self, organisation: str, tags: Sequence[Sequence[bytes]], made: Sequence[SubjectKey]
    ) -> Sequence[SubjectKey]:
        """See the port."""
        places = [place for place, own in enumerate(tags, 1) for _ in own]
        flat = [tag for own in tags for tag in own]
        values = [organisation, places, flat, [each.key_id for each in made], made[0].kid, [e.wrapped for e in made]]
        async with self._database.anonymous() as connection:
            cursor = await connection.execute(
                "SELECT * FROM audit.subject_keys_for(%s, %s, %b, %s, %s, %b) ORDER BY place", values
            )
            rows = await cursor.fetchall()
        if len(rows) != len(tags):
            raise Unavailable("postgres")
        return [SubjectKey(str(row[1]), str(row[2]), bytes(row[3])) for row in rows]
