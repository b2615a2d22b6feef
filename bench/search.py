"""`search`: the ten nearest documents, for organisations of 10, 1 000 and 50 000 documents in one table of 100 000.

Each case: the whole `SearchKnowledge`, joined without a socket; `rows_least` of 10 asked for; `recall_at_10` against an
exact reading of the organisation's rows, which takes `exact_p50_ms`. `store_p50_ms` is the transaction of the search
alone, under row-level security; `plain_p50_ms` the same statements by a role that no row-level security binds; both
find the same rows. `way` is how the rows are found.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from bench import echo
from bench.corpus import DIMENSION, Corpus, fill
from bench.harness import interleaved
from bench.rows import Row
from bench.tenancy_house import CONTENT, House, opened
from services.kit.keys import KeyRing
from services.kit.postgres import Connection, Database
from services.tenancy.adapters.content_keys import ContentKeys
from services.tenancy.adapters.knowledge_store import nearest
from services.tenancy.adapters.nearest import exact_sql, literal, walks
from services.tenancy.flows.knowledge import CALLER
from services.tenancy.policy.filters import Field, among
from services.tenancy.ports.resources import Query, Space

K = 10
SPACE = Space(DIMENSION, CALLER)
FULL, SMALL = (10, 1_000, 50_000), (10, 100, 1_000)
TOTAL, SMALL_TOTAL = 100_000, 2_000


class _Proof:
    def __init__(self, org_mac: str) -> None:
        self.org_mac = org_mac


async def run(small: bool) -> list[Row]:
    """One row for each size."""
    sizes, total, n = (SMALL, SMALL_TOTAL, 30) if small else (FULL, TOTAL, 300)
    corpus = await asyncio.to_thread(Corpus.made)
    organisations = {f"org-{size}": size for size in sizes} | {"org-others": total - sum(sizes)}
    async with opened() as house, echo.running() as yardstick:
        database = Database(house.service_dsn, statement_seconds=60)
        await database.open()
        try:
            built = await fill(house, database, ContentKeys(KeyRing(None, CONTENT)), organisations, corpus)
            first, rows = 0, []
            for size in sizes:
                rows.append(await _case(house, database, yardstick, corpus, size, first, total, n))
                first += size
        finally:
            await database.close()
    rows[-1]["graph_built_s"] = round(built, 1)
    return rows


async def _case(
    house: House, database: Database, yardstick: Any, corpus: Corpus, size: int, first: int, total: int, n: int
) -> Row:
    org = f"org-{size}"
    # A question lies near a document of the organisation, half as far off as its neighbours.
    asked = [_between(corpus.vector(first + k * 37 % size), corpus.vector(first + k * 53 % size)) for k in range(n)]
    bearer = house.as_(org, "ann")
    least, recalls, exact = K, [], []

    async def ask(number: int) -> None:
        nonlocal least
        request = pb.SearchKnowledgeRequest(embedding=asked[number], limit=K)
        answer = await house.stub.SearchKnowledge(request, metadata=bearer)
        if answer.outcome != common.OUTCOME_ALLOW:
            raise RuntimeError("the search was refused")
        least = min(least, len(answer.parts))
        found[number] = {part.document for part in answer.parts}

    found: dict[int, set[str]] = {}
    for number in range(min(n, 20)):
        await ask(number)
    row = await interleaved(f"{size} documents", yardstick, n, ask)
    stored, plain = await _without(house, database, org, asked, size, total)
    for number, vector in enumerate(asked):
        started = time.perf_counter()
        true = await _exact(database, house.proof(org), org, vector)
        exact.append(time.perf_counter() - started)
        recalls.append(len(found[number] & true) / len(true))
    return {
        **row,
        "rows_least": least,
        "recall_at_10": round(statistics.mean(recalls), 4),
        "recall_of_99_in_100": round(sorted(recalls)[len(recalls) // 100], 2),
        "exact_p50_ms": round(statistics.median(exact) * 1000, 3),
        "store_p50_ms": round(stored * 1000, 3),
        "plain_p50_ms": round(plain * 1000, 3),
        "x_plain": round(stored / plain, 3),
        "way": "graph" if walks(min(size, 50_001), total, DIMENSION, K) else "exact",
    }


async def _without(
    house: House, database: Database, org: str, asked: Sequence[Sequence[float]], size: int, total: int
) -> tuple[float, float]:
    """Median seconds of the same statements with and without row-level security, in turns."""
    proof, bound, free = _Proof(house.proof(org)), [], []
    own = among(Field.ORGANISATION, [org])
    async with await psycopg.AsyncConnection.connect(house.admin_dsn, autocommit=True) as admin:
        await admin.execute("SET search_path = tenancy, hauberk_ext")
        for vector in asked:
            query = Query(vector, SPACE, own, K)
            started = time.perf_counter()
            async with database.tenant(proof) as connection:
                one = await nearest(connection, org, query, size, total)
            between = time.perf_counter()
            await admin.execute("BEGIN; SELECT set_config('hauberk.org', '', true)", prepare=False)
            other = await nearest(admin, org, query, size, total)
            await admin.execute("COMMIT")
            bound.append(between - started)
            free.append(time.perf_counter() - between)
            if [row[0] for row in one] != [row[0] for row in other]:
                raise RuntimeError("isolation changed what was found")
    return statistics.median(bound), statistics.median(free)


async def _exact(database: Database, proof: str, org: str, vector: Sequence[float]) -> set[str]:
    text, values = exact_sql(among(Field.ORGANISATION, [org]))
    async with database.tenant(_Proof(proof)) as connection:
        return await _names(connection, text, [literal(vector), org, DIMENSION, *values, K])


async def _names(connection: Connection, text: str, values: list[Any]) -> set[str]:
    cursor = await connection.execute(text.encode(), values, prepare=False)
    return {str(row[0]) for row in await cursor.fetchall()}


def _between(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [a + 0.3 * b for a, b in zip(one, other, strict=True)]
