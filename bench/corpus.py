"""Documents of several organisations in one table, put there in bulk: vectors around topics, texts truly sealed."""

from __future__ import annotations

import random
import struct
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from bench.tenancy_house import House
from services.kit.postgres import Connection, Database
from services.tenancy.adapters.content_keys import Content, ContentKeys

DIMENSION = 256
TOPICS, NOISES = 400, 1009
SPREAD = 0.9  # how far documents of one topic lie apart, beside a topic's own length of one
_COPY = """
COPY tenancy.chunks (org_id, document_id, chunk, owner_id, brand_id, labels, dimension, embedding, sealed)
FROM STDIN (FORMAT binary)
"""
_NO_LABELS = struct.pack("!iiI", 0, 0, 25)


@dataclass(frozen=True)
class Corpus:
    """Vectors that lie around topics as those of real texts do; the same for the same number."""

    topics: Sequence[array[float]]
    noises: Sequence[array[float]]

    @classmethod
    def made(cls) -> Corpus:
        """From a fixed seed."""
        draw = random.Random(20)
        return cls([_unit(draw, 1.0) for _ in range(TOPICS)], [_unit(draw, SPREAD) for _ in range(NOISES)])

    def vector(self, number: int) -> list[float]:
        """Of document `number`: a topic and a disturbance, of which no two documents have the same pair."""
        topic = self.topics[number % TOPICS]
        noise = self.noises[(number * 7919) % NOISES]
        turn = (number // TOPICS * 31) % DIMENSION
        return [a + b for a, b in zip(topic, [*noise[turn:], *noise[:turn]], strict=True)]


def _unit(draw: random.Random, length: float) -> array[float]:
    values = [draw.gauss(0, 1) for _ in range(DIMENSION)]
    factor = length / sum(value * value for value in values) ** 0.5
    return array("f", [value * factor for value in values])


async def fill(house: House, database: Database, keys: ContentKeys, sizes: dict[str, int], corpus: Corpus) -> float:
    """So many documents for each organisation, and the graph built over all; seconds that building the graph took."""
    async with await psycopg.AsyncConnection.connect(house.admin_dsn, autocommit=True) as admin:
        graph = await _graph(admin)
        await admin.execute("DROP INDEX tenancy.chunks_near_256")
    first = 0
    for organisation, size in sizes.items():
        await house.organisation(organisation, users=1, brands=1)
        asked = pb.PutDocumentRequest(document="d0", text="first", embedding=corpus.vector(first))
        await house.stub.PutDocument(asked, metadata=house.as_(organisation, "ann", ["knowledge.write"]), timeout=30)
        async with database.tenant(_Proof(house.proof(organisation))) as connection:
            content = (await keys.to_open(connection, _Named(organisation), [1]))[1]  # type: ignore[arg-type]
        await _load(house, organisation, size, first, corpus, content)
        first += size
    started = time.perf_counter()
    async with await psycopg.AsyncConnection.connect(house.admin_dsn, autocommit=True) as admin:
        # The same index as the migration's, built at once: much faster than row by row.
        await admin.execute("SET maintenance_work_mem = '512MB'")
        await admin.execute(graph.encode())
        built = time.perf_counter() - started
        await admin.execute("VACUUM ANALYZE tenancy.chunks")
    return built


@dataclass(frozen=True)
class _Proof:
    org_mac: str


@dataclass(frozen=True)
class _Named:
    organisation: str


async def _graph(admin: Connection) -> str:
    row = await (await admin.execute("SELECT pg_get_indexdef('tenancy.chunks_near_256'::regclass)")).fetchone()
    return str(row[0]) if row else ""


async def _load(house: House, org: str, size: int, first: int, corpus: Corpus, content: Content) -> None:
    async with await psycopg.AsyncConnection.connect(house.admin_dsn) as admin:
        await admin.execute("SET session_replication_role = replica")  # no foreign keys: all rows come from here
        await admin.execute(
            "INSERT INTO tenancy.resources (org_id, kind, resource_id)"
            " SELECT %s, 'Document', 'd' || n FROM generate_series(1, %s) n",
            [org, size - 1],
        )
        async with admin.cursor().copy(
            "COPY tenancy.documents (org_id, document_id, key_id, title) FROM STDIN (FORMAT binary)"
        ) as copy:
            await copy.write(
                _rows([org, f"d{n}", 1, content.seal(f"Title {n}", "title", f"d{n}")] for n in range(1, size))
            )
        async with admin.cursor().copy(_COPY) as copy:
            await copy.write(_rows(_chunks(org, size, first, corpus, content)))


def _chunks(org: str, size: int, first: int, corpus: Corpus, content: Content) -> Iterator[list[Any]]:
    for number in range(1, size):
        vector = array("f", corpus.vector(first + number))
        vector.byteswap()
        plain = struct.pack("!HH", DIMENSION, 0) + vector.tobytes()
        text = content.seal(f"Document {number} of {org}.", "text", f"d{number}", "0")
        yield [org, f"d{number}", 0, "", "", _NO_LABELS, struct.pack("!h", DIMENSION), plain, text]


def _rows(rows: Iterator[list[Any]]) -> bytes:
    """PostgreSQL's binary format of COPY: texts, four-byte numbers, and bytes as they are."""
    parts = [b"PGCOPY\n\xff\r\n\0", struct.pack("!ii", 0, 0)]
    for row in rows:
        parts.append(struct.pack("!h", len(row)))
        for value in row:
            data = (
                value.encode()
                if isinstance(value, str)
                else struct.pack("!i", value)
                if isinstance(value, int)
                else value
            )
            parts += (struct.pack("!i", len(data)), data)
    return b"".join([*parts, struct.pack("!h", -1)])
