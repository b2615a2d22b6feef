"""`retention`: a run over a seeded year of data of organisations on three plans, one of them held.

The run is killed (SIGKILL) again and again at random moments and goes on each time. `wrong` counts what is left and
should be gone, or is gone and should be left, by an account kept while seeding. Files of the trail are verified
offline, and what is left of the chains from its cut on. The trail is kept for half a year here: of seven years, a year
would lose nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import yaml

from bench.retention_year import SPAN_DAYS, Year, rows_left, seed, wrong
from bench.rows import Row, row
from bench.stacks import folder
from cli.archived import verify
from cli.housekeeping import House, Place, house_at, policy_of
from cli.places import DEFAULT_POLICY
from embedded.layout import Running
from embedded.stack import Stores, running_stores
from services.audit.adapters.reading import TenantReader
from services.audit.flows.verifying import Verifier
from services.audit.signatures import CheckpointSigner
from services.kit import org_proof
from services.kit.caller import Caller
from services.kit.keys import ORG_MAC, KeyRing
from services.kit.postgres import Database

HOT_DAYS = 180


async def run(small: bool) -> list[Row]:
    """Seeds, runs with kills, counts."""
    rows, events, kills = (40, 400, 0) if small else (5_000, 10_000, 5)
    async with folder() as place, running_stores(place) as stores:
        stores.layout.write_running(Running("", "", os.getpid()))
        signer = CheckpointSigner(KeyRing(stores.layout.keys, {}))
        year = await asyncio.to_thread(seed, stores.postgres.admin_dsn, signer, time.time(), rows, events)
        policy = await asyncio.to_thread(half_a_year, place / "retention.yaml")
        where = Place(stores.database_url, stores.redis.url, stores.layout.keys, place / "archive")
        async with house_at(where, policy_of(policy)) as house:
            await house.retention.hold(year.held, "", "bench", "bench")
            planned, _ = await house.retention.plan(house.policy)
            for _ in range(kills):
                await _killed(place, policy, random.uniform(1.2, 3.0))
            started = time.perf_counter()
            gone: dict[str, int] = {}
            for _ in range(3):  # archived, rested, dropped; what was killed goes on first
                done = await house.retention.run(
                    house.policy, lambda name, n: gone.update({name: gone.get(name, 0) + n})
                )
                await asyncio.sleep(1.1)
            took = time.perf_counter() - started - 3.3
            return [await _account(stores, house, year, took, kills, sum(each.rows for each in planned), done.problems)]


def half_a_year(path: Path) -> Path:
    """The policy of the house, but for the trail."""
    policy = yaml.safe_load(DEFAULT_POLICY.read_bytes())
    policy["trail"] = {"hot": f"{HOT_DAYS}d", "rest": "1s"}
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")
    return path


async def _killed(place: Path, policy: Path, after: float) -> None:
    """`hauberk retention run`, killed where it stands."""
    words = ("-m", "cli.main", "retention", "run", "--json", "--data", str(place), "--policy", str(policy))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    await asyncio.sleep(after)
    if process.returncode is None:
        process.kill()
    await process.wait()


async def _account(
    stores: Stores, house: House, year: Year, took: float, kills: int, planned: int, problems: Any
) -> Row:
    left = await asyncio.to_thread(rows_left, stores.postgres.admin_dsn, year)
    errors = wrong(left, year, year.held)
    files, broken = await asyncio.to_thread(verify, house.archive, house.signer.genuine)
    intact = 0
    async with AsyncExitStack() as exits:
        for organisation in year.organisations:
            intact += await verified(stores, exits, house, organisation)
    rows_gone = sum(year.seeded(table) - sum(left[table].values()) for table in year.ages)
    events_gone = sum(sum(each.values()) for each in year.events.values()) - sum(left["audit.events"].values())
    return row(
        "a year, three plans, one held",
        [max(took, 0.001)],
        rows_seeded=sum(map(year.seeded, year.ages)),
        rows_planned=planned,
        rows_gone=rows_gone,
        wrong=len(errors),
        events_seeded=sum(sum(each.values()) for each in year.events.values()),
        events_gone=events_gone,
        held_events_left=left["audit.events"][year.held],
        kills=kills,
        files=files,
        files_broken=len(broken),
        chains_intact=f"{intact}/{len(year.organisations)}",
        problems=len(problems),
        days=SPAN_DAYS,
    )


async def verified(stores: Stores, exits: AsyncExitStack, house: House, organisation: str) -> bool:
    """Whether what is left of a chain holds, as its organisation would be told."""
    database = Database(stores.database_url("audit"), statement_seconds=10.0)
    await database.open()
    exits.push_async_callback(database.close)
    key = KeyRing(stores.layout.keys, {}).secret(ORG_MAC)
    proof = org_proof.mint(organisation, time.time() + 300, key.kid, key.value)
    caller = Caller(organisation, "bench", "", "0" * 16, "backend/bench", proof, 0)
    reader = TenantReader(database, caller)
    outcome = await Verifier(house.signer.genuine, [], page=1000, most=10**9).verify(reader)
    return outcome.done and not outcome.finding.problem
