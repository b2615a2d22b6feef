"""Chains for the sealer, through the doors that its role alone may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

from services.audit.adapters.rows import LINK, SIGNED, link, moment, signed
from services.audit.policy import Head, Link, Signed
from services.audit.policy.checkpoint import parse
from services.audit.ports import Span, SubjectKey, Unsigned, Wanted
from services.kit.postgres import Database

_MONTHS_AHEAD = 2
_LINKS: LiteralString = "SELECT " + LINK + " FROM audit.chain(%s, %s, %s, %s) e ORDER BY e.sequence"  # noqa: S608 - constants
_STREAM: LiteralString = (
    "SELECT e.position, e.org_id, " + LINK + " FROM audit.sealed_after(%s, %s) e ORDER BY e.position"  # noqa: S608 - constants
)
_FOUND: LiteralString = (
    "SELECT " + LINK + " FROM audit.platform_found(%s, %s, %s, %s, %s, %s, %s, %s, %s) e ORDER BY e.at, e.sequence"  # noqa: S608 - constants
)
_LAST: LiteralString = "SELECT " + SIGNED + " FROM audit.last_checkpoint(%s) c"  # noqa: S608 - constants
_CUT: LiteralString = "SELECT " + SIGNED + " FROM audit.last_cut(%s) c"  # noqa: S608 - constants
_UNANCHORED: LiteralString = "SELECT " + SIGNED + " FROM audit.unanchored(%s, %s) c ORDER BY c.org_id, c.sequence"  # noqa: S608 - constants
_CHECKPOINTS: LiteralString = (
    "SELECT c.sequence, " + SIGNED + " FROM audit.checkpoints_of('', %s, %s) c ORDER BY c.sequence"  # noqa: S608 - constants
)


class PostgresSealing:
    """Implements `ports.SealStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seal(self, organisation: str, most: int) -> int:
        """See the port."""
        return int((await self.rows("SELECT audit.seal(%s, %s)", [organisation, most]))[0][0])

    async def seal_waiting(self, chains: int, most: int) -> int:
        """See the port. Sorted, so that two sealers lock in one order."""
        statement: LiteralString = (
            "SELECT coalesce(sum(audit.seal(w.org, %s)), 0)"
            " FROM (SELECT org FROM audit.waiting(%s) AS org ORDER BY org) AS w"
        )
        return int((await self.rows(statement, [most, chains]))[0][0])

    async def ensure_partitions(self) -> None:
        """See the port."""
        await self.rows("SELECT audit.ensure_partitions(%s)", [_MONTHS_AHEAD])

    async def unsigned(self, most: int) -> Sequence[Unsigned]:
        """See the port."""
        rows = await self.rows("SELECT org_id, head, signed, signed_at FROM audit.unsigned(%s)", [most])
        return [Unsigned(str(org), int(head), int(done), at.timestamp()) for org, head, done, at in rows]

    async def links(self, organisation: str, after: int, until: int, limit: int) -> Sequence[Link]:
        """See the port."""
        return [link(row) for row in await self.rows(_LINKS, [organisation, after, until, limit])]

    async def sealed_after(self, position: int, limit: int) -> Sequence[tuple[int, str, Link]]:
        """See the port."""
        return [(int(row[0]), str(row[1]), link(row[2:])) for row in await self.rows(_STREAM, [position, limit])]

    async def tip(self, organisation: str) -> Head:
        """See the port."""
        return (await self.ended(organisation))[0]

    async def ended(self, organisation: str) -> tuple[Head, int]:
        """The head with the greatest position there is."""
        ((sequence, tip, last),) = await self.rows("SELECT * FROM audit.tip(%s)", [organisation])
        return (Head(int(sequence), bytes(tip)) if sequence is not None else Head()), int(last)

    async def last_checkpoint(self, organisation: str) -> Signed | None:
        """See the port."""
        rows = await self.rows(_LAST, [organisation])
        return signed(rows[0]) if rows else None

    async def put_checkpoint(self, signed: Signed) -> bool:
        """See the port."""
        found = parse(signed.statement)
        values = [
            found.organisation,
            found.sequence,
            found.hash,
            moment(found.at_us),
            signed.statement,
            signed.kid,
            signed.signature,
        ]
        statement: LiteralString = "SELECT audit.put_checkpoint(%s, %s, %b, %s, %b, %s, %b)"
        return bool((await self.rows(statement, values))[0][0])

    async def unanchored(self, anchor: str, most: int) -> Sequence[Signed]:
        """See the port."""
        return [signed(row) for row in await self.rows(_UNANCHORED, [anchor, most])]

    async def mark_anchored(self, anchor: str, signed: Signed) -> None:
        """See the port."""
        found = parse(signed.statement)
        await self.rows("SELECT audit.mark_anchored(%s, %s, %s)", [found.organisation, anchor, found.sequence])

    async def rows(self, statement: LiteralString, values: Any) -> list[tuple[Any, ...]]:
        """One question in a transaction of its own."""
        async with self._database.anonymous() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(statement, values)
            return await cursor.fetchall()


class PlatformReader:
    """Implements `ports.Reader` for the platform's chain."""

    organisation = ""

    def __init__(self, store: PostgresSealing) -> None:
        self._store = store

    async def find(self, span: Span, wanted: Wanted, after: tuple[int, int], limit: int) -> Sequence[Link]:
        """See the port."""
        bounds = [moment(span.start), moment(span.end), moment(after[0]), after[1]]
        filters = [list(wanted.actors), wanted.outcome, wanted.trace_id, wanted.code]
        return [link(row) for row in await self._store.rows(_FOUND, [*bounds, *filters, limit])]

    async def stretch(self, span: Span) -> tuple[int, int]:
        """See the port."""
        values = [moment(span.start), moment(span.end)]
        ((first, last),) = await self._store.rows("SELECT * FROM audit.platform_stretch(%s, %s)", values)
        return int(first), int(last)

    async def links(self, after: int, until: int, limit: int) -> Sequence[Link]:
        """See the port."""
        return await self._store.links("", after, until, limit)

    async def head(self) -> tuple[Head, int]:
        """See the port."""
        return await self._store.ended("")

    async def checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Signed]]:
        """See the port."""
        return [(int(row[0]), signed(row[1:])) for row in await self._store.rows(_CHECKPOINTS, [after, limit])]

    async def before(self, position: int) -> Signed | None:
        """See the port."""
        statement: LiteralString = "SELECT " + SIGNED + " FROM audit.checkpoint_before('', %s) c"  # noqa: S608 - constants
        rows = await self._store.rows(statement, [position])
        return signed(rows[0]) if rows else None

    async def cut(self) -> Signed | None:
        """See the port."""
        rows = await self._store.rows(_CUT, [""])
        return signed(rows[0]) if rows else None

    async def keys(self, ids: Sequence[str]) -> Sequence[SubjectKey]:
        """See the port."""
        rows = await self._store.rows("SELECT key_id, kid, wrapped FROM audit.platform_keys(%s)", [list(ids)])
        return [SubjectKey(str(key), str(kid), bytes(wrapped)) for key, kid, wrapped in rows]

    async def keys_of(self, tags: Sequence[bytes]) -> Sequence[str]:
        """See the port."""
        rows = await self._store.rows("SELECT * FROM audit.platform_keys_of(%b)", [list(tags)])
        return [str(row[0]) for row in rows]
