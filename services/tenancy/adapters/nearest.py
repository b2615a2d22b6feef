"""Which way to look for the nearest chunks of one organisation in a table of all.

Approximate search walks one graph of everybody's vectors and throws away what is not the caller's. Of a small
organisation it would throw away nearly all and may stop before it has enough. Reading the chunks of a small
organisation one by one is exact, and quick because there are few. So the cheaper way is taken, and when the approximate
one comes back with too few rows the exact one answers: whatever exists is found.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.tenancy.policy.filters import Field, Filter, Placeholder, to_sql

INDEXED = frozenset({256, 384, 768, 1024, 1536, 3072})
"""Dimensions that have a graph (migration 0005); vectors of any other are always read one by one."""
WIDER = 4
"""The graph holds half-precision vectors: it is asked for so many times the rows, and these are compared exactly."""
MOST_WALKED = 40_000

FIELDS = {
    Field.ORGANISATION: "c.org_id",
    Field.ID: "c.document_id",
    Field.OWNER: "c.owner_id",
    Field.BRAND: "c.brand_id",
    Field.LABELS: "c.labels",
}
# What one row costs each way, measured: reading and comparing it, or walking the graph to it; and where a walk begins.
_READ, _WALK, _START = 1.0, 6.0, 1500.0

EXACT_SETTINGS = "SELECT pg_catalog.set_config('enable_seqscan', 'off', true)"
WALK_SETTINGS = f"""
SELECT pg_catalog.set_config('enable_sort', 'off', true), pg_catalog.set_config('enable_seqscan', 'off', true),
       pg_catalog.set_config('hnsw.ef_search', %s, true),
       pg_catalog.set_config('hnsw.iterative_scan', 'relaxed_order', true),
       pg_catalog.set_config('hnsw.max_scan_tuples', '{MOST_WALKED}', true)
"""


def walks(own: int, everybody: float, dimension: int, limit: int) -> bool:
    """Whether the graph is the cheaper way, for an organisation with `own` of `everybody`'s chunks."""
    if dimension not in INDEXED or own < 1:
        return False
    needed = limit * WIDER * max(1.0, everybody / own)
    return own * _READ > _START + needed * _WALK and needed < MOST_WALKED


def breadth(limit: int) -> str:
    """How many candidates a walk keeps: more find more of the true nearest."""
    return str(min(1000, max(240, limit * WIDER)))


def exact_sql(chosen: Filter) -> tuple[str, list[str]]:
    """Parameters: vector, organisation, dimension, those of the filter, limit. Adding nothing to the distance keeps
    the graph out: it serves the bare operator only."""
    where, values = to_sql(chosen, FIELDS, Placeholder.FORMAT)
    return (
        f"""
SELECT c.document_id, c.chunk, (c.embedding <=> %s::hauberk_ext.vector) + 0 AS distance
  FROM tenancy.chunks c WHERE c.org_id = %s AND c.dimension = %s AND {where}
 ORDER BY distance, c.document_id, c.chunk LIMIT %s
""",  # noqa: S608 - constants and placeholders
        values,
    )


def walk_sql(chosen: Filter, dimension: int) -> tuple[str, list[str]]:
    """Parameters: vector, organisation, those of the filter, vector, wider limit, limit."""
    where, values = to_sql(chosen, FIELDS, Placeholder.FORMAT)
    half = f"hauberk_ext.halfvec({int(dimension)})"
    return (
        f"""
SELECT w.document_id, w.chunk, w.distance FROM (
    SELECT c.document_id, c.chunk, (c.embedding <=> %s::hauberk_ext.vector) AS distance
      FROM tenancy.chunks c WHERE c.org_id = %s AND c.dimension = {int(dimension)} AND {where}
     ORDER BY c.embedding::{half} <=> %s::{half} LIMIT %s) w
 ORDER BY w.distance, w.document_id, w.chunk LIMIT %s
""",  # noqa: S608 - constants and placeholders
        values,
    )


def literal(vector: Sequence[float]) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(map(repr, vector)) + "]"
