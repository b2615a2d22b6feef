"""Search in a table of several organisations: the graph and the exact way find the same, under row-level security."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.postgres import Database
from services.tenancy.adapters import knowledge_store
from services.tenancy.adapters.nearest import (
    EXACT_SETTINGS,
    FIELDS,
    WALK_SETTINGS,
    breadth,
    exact_sql,
    literal,
    walk_sql,
)
from services.tenancy.policy.filters import Field, among, both, except_
from tests.contract.tenancy.house import SCOPES, House
from tests.support.stores import Holder

SCOPE = SCOPES | {"resources.write"}
DIMENSION = 256


def vectors(seed: int, count: int) -> list[list[float]]:
    draw = random.Random(seed)
    return [[draw.gauss(0, 1) for _ in range(DIMENSION)] for _ in range(count)]


async def filled(house: House, seed: int, count: int) -> str:
    org = await house.organisation()
    chunks = [pb.DocumentChunk(text=f"{seed} {n}", embedding=v) for n, v in enumerate(vectors(seed, count))]
    await house.call("PutDocument", house.caller(org, scopes=SCOPE), pb.PutDocumentRequest(document="d", chunks=chunks))
    return org


async def found(house: House, org: str, vector: Sequence[float], limit: int) -> list[str]:
    ask = pb.SearchKnowledgeRequest(embedding=vector, limit=limit)
    return [part.text for part in (await house.call("SearchKnowledge", house.caller(org), ask)).parts]


async def test_the_graph_never_comes_back_with_too_few(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = await filled(house, 1, 12), await filled(house, 2, 300)
    questions = vectors(3, 5)
    true = {(org, n): await found(house, org, v, 10) for org in (few, many) for n, v in enumerate(questions)}
    monkeypatch.setattr(knowledge_store, "walks", lambda *_: True)
    for (org, n), names in true.items():
        got = await found(house, org, questions[n], 10)
        assert len(got) == 10
        assert len(set(got) & set(names)) >= 9
        assert {text.split()[0] for text in got} == {"1" if org == few else "2"}
    assert len(await found(house, few, questions[0], 200)) == 12


async def plan_of(house: House, org: str, text: str, values: list[Any], settings: tuple[str, list[Any]]) -> str:
    database = Database(house.stores.service_dsn("tenancy"), statement_seconds=10)
    await database.open()
    try:
        async with database.tenant(Holder(house.stores.proof(org))) as connection:
            await connection.execute(settings[0].encode(), settings[1])
            cursor = await connection.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {text}".encode(), values, prepare=False)
            return "\n".join(str(line) for (line,) in await cursor.fetchall())
    finally:
        await database.close()


async def test_row_level_security_is_asked_once_and_keeps_the_indexes(house: House) -> None:
    org = await filled(house, 4, 60)
    await filled(house, 5, 500)
    with psycopg.connect(house.stores.admin_dsn, autocommit=True) as admin:
        admin.execute("ANALYZE tenancy.chunks")
    own = both(among(Field.ORGANISATION, [org]), except_(among(Field.BRAND, ["club"])))
    vector = literal(vectors(6, 1)[0])
    text, values = walk_sql(own, DIMENSION)
    walked = await plan_of(house, org, text, [vector, org, *values, vector, 40, 10], (WALK_SETTINGS, [breadth(10)]))
    assert "Index Scan using chunks_near_256" in walked
    exact_text, exact_values = exact_sql(own)
    exact = await plan_of(house, org, exact_text, [vector, org, DIMENSION, *exact_values, 10], (EXACT_SETTINGS, []))
    assert "chunks_near_256" not in exact
    assert "org_id = " in exact
    assert "Seq Scan on chunks" not in exact
    for plan in (walked, exact):
        assert plan.count("InitPlan") >= 1
        assert "loops=1)" in plan.split("InitPlan 1")[-1]
    assert set(FIELDS) == set(Field)


async def test_somebody_elses_proof_finds_nothing_even_in_the_statement_of_the_owner(house: House) -> None:
    org, other = await filled(house, 7, 20), await filled(house, 8, 20)
    text, values = exact_sql(among(Field.ORGANISATION, [other]))
    database = Database(house.stores.service_dsn("tenancy"))
    await database.open()
    try:
        for proof in (house.stores.proof(org), "", house.stores.proof(other, -1)):
            async with database.tenant(Holder(proof)) as connection:
                rows = await connection.execute(
                    text.encode(), [literal(vectors(9, 1)[0]), other, DIMENSION, *values, 10]
                )
                assert await rows.fetchall() == []
    finally:
        await database.close()
