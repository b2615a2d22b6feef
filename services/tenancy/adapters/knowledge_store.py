"""Documents in PostgreSQL with pgvector, sealed but for what is searched.

Row-level security holds the tenant line; every statement names the organisation as well, so that either alone would do.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.kit.caller import Caller
from services.kit.errors import InvalidArgument
from services.kit.logs import logger
from services.kit.postgres import Connection, Database
from services.tenancy.adapters.content_keys import ContentKeys
from services.tenancy.adapters.nearest import (
    EXACT_SETTINGS,
    WALK_SETTINGS,
    WIDER,
    breadth,
    exact_sql,
    literal,
    walk_sql,
    walks,
)
from services.tenancy.adapters.resource_store import write_facts
from services.tenancy.policy import Resource
from services.tenancy.policy.resources import DOCUMENT
from services.tenancy.ports.resources import Document, Hit, Inspect, Query, Space

_COUNTED = 50_001
_SIZE_SECONDS = 20.0
_MOST_SIZES = 10_000
_Near = tuple[str, int, float]

_NEW_SPACE = (
    "INSERT INTO tenancy.knowledge_spaces (org_id, dimension, embedder) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
)
_SPACE = "SELECT s.dimension, s.embedder FROM tenancy.knowledge_spaces s WHERE s.org_id = %s"
_SET_SPACE = """
UPDATE tenancy.knowledge_spaces SET dimension = %s, embedder = %s
 WHERE org_id = %s AND NOT EXISTS (SELECT FROM tenancy.chunks c WHERE c.org_id = %s)
"""
_SIZE = """
SELECT s.dimension, s.embedder, (SELECT count(*) FROM (SELECT FROM tenancy.chunks c WHERE c.org_id = %s LIMIT %s) n),
       (SELECT greatest(t.reltuples, 0) FROM pg_catalog.pg_class t WHERE t.oid = 'tenancy.chunks'::regclass)
  FROM tenancy.knowledge_spaces s WHERE s.org_id = %s
"""
_DOCUMENT = """
INSERT INTO tenancy.documents AS d (org_id, document_id, key_id, title) VALUES (%s, %s, %s, %s)
ON CONFLICT (org_id, document_id)
DO UPDATE SET key_id = excluded.key_id, title = excluded.title, put_at = clock_timestamp()
"""
_NO_CHUNKS = "DELETE FROM tenancy.chunks c WHERE c.org_id = %s AND c.document_id = %s"
_CHUNKS = """
INSERT INTO tenancy.chunks (org_id, document_id, chunk, owner_id, brand_id, labels, dimension, embedding, sealed)
SELECT %s, %s, g.chunk, %s, %s, %s, %s, g.embedding::hauberk_ext.vector, g.sealed
  FROM unnest(%s::int[], %s::text[], %s::bytea[]) AS g (chunk, embedding, sealed)
"""
_READ = """
SELECT c.document_id, c.chunk, c.owner_id, c.brand_id, c.labels, c.sealed, d.title, d.key_id
  FROM tenancy.chunks c JOIN tenancy.documents d ON d.org_id = c.org_id AND d.document_id = c.document_id
 WHERE c.org_id = %s AND (c.document_id, c.chunk) IN (SELECT * FROM unnest(%s::text[], %s::int[]))
"""


@dataclass(frozen=True, slots=True)
class _Size:
    space: Space
    own: int
    everybody: float
    read_at: float


class PostgresKnowledge:
    """Implements `ports.resources.KnowledgeStore`."""

    def __init__(self, database: Database, keys: ContentKeys, now: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._keys = keys
        self._now = now
        # How many there are only chooses the way: it may be old, the answer is not.
        self._sizes: OrderedDict[str, _Size] = OrderedDict()

    async def put(self, caller: Caller, document: Document, inspect: Inspect) -> bool:
        """See the port."""
        facts, org = document.resource, caller.organisation
        async with self._database.tenant(caller) as connection:
            before = await write_facts(connection, caller, [facts], inspect)
            await self._same_space(connection, org, document.space)
            content = await self._keys.to_seal(connection, caller)
            title = content.seal(document.title, "title", facts.id)
            await connection.execute(_DOCUMENT, [org, facts.id, content.key_id, title])
            gone = await connection.execute(_NO_CHUNKS, [org, facts.id])
            sealed = [content.seal(c.text, "text", facts.id, str(n)) for n, c in enumerate(document.chunks)]
            vectors = [literal(chunk.embedding) for chunk in document.chunks]
            labels = [facts.owner, facts.brand, sorted(facts.labels), document.space.dimension]
            await connection.execute(_CHUNKS, [org, facts.id, *labels, list(range(len(sealed))), vectors, sealed])
        self._sizes.pop(org, None)
        return bool(before) and gone.rowcount > 0

    async def search(self, caller: Caller, query: Query) -> Sequence[Hit]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            size = await self._size(connection, caller.organisation)
            if size is None:
                return ()
            if size.space != query.space:
                raise _other_space(size.space)
            near = await nearest(connection, caller.organisation, query, size.own, size.everybody)
            return await self._hits(connection, caller, near)

    async def _size(self, connection: Connection, org: str) -> _Size | None:
        known = self._sizes.get(org)
        if known is not None and self._now() - known.read_at < _SIZE_SECONDS:
            return known
        row = await (await connection.execute(_SIZE, [org, _COUNTED, org])).fetchone()
        if row is None:
            return None
        dimension, embedder, own, everybody = row
        found = self._sizes[org] = _Size(Space(dimension, embedder), own, max(everybody, own), self._now())
        if len(self._sizes) > _MOST_SIZES:
            self._sizes.popitem(last=False)
        return found

    async def _hits(self, connection: Connection, caller: Caller, near: Sequence[_Near]) -> Sequence[Hit]:
        names, numbers = [name for name, _, _ in near], [number for _, number, _ in near]
        cursor = await connection.execute(_READ, [caller.organisation, names, numbers])
        rows = {(row[0], row[1]): row for row in await cursor.fetchall()}
        contents = await self._keys.to_open(connection, caller, {row[7] for row in rows.values()})
        hits = []
        for name, number, distance in near:
            row = rows.get((name, number))
            if row is None or row[7] not in contents:  # deleted since it was found
                continue
            _, _, owner, brand, labels, sealed, title, key_id = row
            content = contents[key_id]
            text, shown = content.open(sealed, "text", name, str(number)), content.open(title, "title", name)
            if text is None or shown is None:  # altered in the store, or put into another's place: never shown
                logger().critical("knowledge.content_refused", organisation=caller.organisation)
                continue
            facts = Resource(DOCUMENT, name, caller.organisation, owner, brand, frozenset(labels))
            hits.append(Hit(facts, number, shown, text, 1.0 - distance))
        return hits

    async def _same_space(self, connection: Connection, org: str, wanted: Space) -> None:
        await connection.execute(_NEW_SPACE, [org, wanted.dimension, wanted.embedder])
        row = await (await connection.execute(_SPACE, [org])).fetchone()
        if row is not None and Space(*row) != wanted:
            changed = await connection.execute(_SET_SPACE, [wanted.dimension, wanted.embedder, org, org])
            if changed.rowcount < 1:
                raise _other_space(Space(*row))


async def nearest(connection: Connection, org: str, query: Query, own: int, everybody: float) -> Sequence[_Near]:
    """Document, chunk and distance of the nearest, the cheaper way; exact whenever the walk finds too few."""
    vector, dimension = literal(query.embedding), query.space.dimension
    if walks(own, everybody, dimension, query.limit):
        await connection.execute(WALK_SETTINGS, [breadth(query.limit)])
        text, values = walk_sql(query.chosen, dimension)
        wider = query.limit * WIDER
        found = await _rows(connection, text, [vector, org, *values, vector, wider, query.limit])
        if len(found) == query.limit:
            return found
        await connection.execute("SELECT pg_catalog.set_config('enable_sort', 'on', true)")
    await connection.execute(EXACT_SETTINGS)
    text, values = exact_sql(query.chosen)
    return await _rows(connection, text, [vector, org, dimension, *values, query.limit])


async def _rows(connection: Connection, text: str, values: list[Any]) -> Sequence[_Near]:
    # Never prepared: a plan for any organisation would suit none.
    cursor = await connection.execute(text.encode(), values, prepare=False)
    return await cursor.fetchall()


def _other_space(space: Space) -> InvalidArgument:
    how = "are given by the caller" if space.embedder == "caller" else f"are made here, by {space.embedder}"
    return InvalidArgument.of("embedding", f"vectors of this organisation have {space.dimension} numbers and {how}")
