"""`plan`: PlanRetrieval against Authorize, on random organisations, policies and rows.

`disagreements` counts rows of which plan and check say different things: by the filter as data, and by its SQL in a
real PostgreSQL, where NULL stands for what has no value. A plan that says it is partial may leave rows out; `left_out`
counts them. `wider` counts rows that a plan chose and the check refused: there must be none, partial or not.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.plan_cases import Case, case
from bench.rows import Row, row
from embedded.datafolder import DataFolder
from embedded.postgres import PostgresServer
from services.tenancy.policy import Resource, authorize_all
from services.tenancy.policy.filters import Filter, Placeholder, matches, to_sql
from services.tenancy.policy.planning import plan_for

TABLE = """
CREATE TEMP TABLE rows (org_id text, id text, owner_id text, brand_id text, labels text[]);
"""


@dataclass
class Tally:
    """What was counted."""

    taken: list[float] = field(default_factory=list)
    rows: int = 0
    chosen: int = 0
    allowed: int = 0
    partial: int = 0
    left_out: int = 0
    wider: int = 0
    disagreements: int = 0


async def run(small: bool) -> list[Row]:
    """One row: 10 000 cases of eight rows each."""
    n = 200 if small else 10_000
    base = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hk-bench-"))
    base.chmod(0o711)  # noqa: ASYNC240 - once; an unprivileged account must be able to walk through it
    try:
        with DataFolder(base / "data") as folder:
            server = PostgresServer(folder)
            await server.start()
            try:
                found = await asyncio.to_thread(compared, server.admin_dsn, range(n))
            finally:
                await server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    counted = {name: value for name, value in vars(found).items() if name != "taken"}
    return [row(f"plan and check {n}", found.taken, **counted)]


def compared(dsn: str, seeds: Sequence[int]) -> Tally:
    """Plans each case and holds it against the check, in memory and in SQL."""
    found = Tally()
    with psycopg.connect(dsn) as connection:
        connection.execute(TABLE)
        for seed in seeds:
            _one(case(seed), connection, found)
        connection.rollback()
    return found


def _one(asked: Case, connection: psycopg.Connection[tuple[object, ...]], found: Tally) -> None:
    started = time.perf_counter()
    planned = plan_for(asked.engine, asked.standing, asked.action, "Document", asked.given)
    found.taken.append(time.perf_counter() - started)
    questions = [(asked.action, resource) for resource in asked.rows]
    allowed = [d.allowed for d in authorize_all(asked.engine, asked.standing, questions, asked.given)]
    chosen = [matches(planned.filter, resource) for resource in asked.rows]
    selected = _selected(connection, planned.filter, asked.rows)
    found.rows += len(allowed)
    found.allowed += sum(allowed)
    found.chosen += sum(chosen)
    found.partial += planned.partial
    for check, data, sql in zip(allowed, chosen, selected, strict=True):
        found.wider += (data or sql) and not check
        missed = check and not data
        found.left_out += missed and planned.partial
        found.disagreements += data != sql or (missed and not planned.partial) or (data and not check)


def _selected(
    connection: psycopg.Connection[tuple[object, ...]], chosen: Filter, rows: Sequence[Resource]
) -> list[bool]:
    """What PostgreSQL chooses; what has no value is NULL or empty, in turns."""
    connection.execute("TRUNCATE rows")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO rows VALUES (%s, %s, %s, %s, %s)",
            [
                (
                    r.organisation,
                    r.id,
                    r.owner or (None, "")[number % 2],
                    r.brand or ("", None)[number % 2],
                    sorted(r.labels) or (None, [])[number % 2],
                )
                for number, r in enumerate(rows)
            ],
        )
    where, parameters = to_sql(chosen, {}, Placeholder.FORMAT)
    picked = {name for (name,) in connection.execute(f"SELECT id FROM rows WHERE {where}".encode(), parameters)}
    return [resource.id in picked for resource in rows]
