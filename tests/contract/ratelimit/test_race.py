"""Several processes against one exact budget: never a token too many at any moment, and in the end to the token."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from services.kit.redis import RedisStore
from services.ratelimit.adapters.packing import counted
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.adapters.wire_form import field_of
from services.ratelimit.policy import Mode
from services.ratelimit.ports import Status
from tests.contract.ratelimit.racer import EACH
from tests.contract.ratelimit.support import RACE_BUDGET, ask, fresh, race_budget
from tests.support.stores import DataStores

PROCESSES, TRIES = 3, 400
ROOT = Path(__file__).resolve().parents[3]


async def start(url: str, org: str, number: int) -> asyncio.subprocess.Process:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contract.ratelimit.racer", url, org, f"racer-{number}", str(TRIES),
        cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def spent(redis: RedisStore, org: str) -> int:
    """The counter itself: what an answer calls left is never below 0, and would hide a token too many."""
    client: Any = redis.client
    value = await client.hget(f"hk:ratelimit:{{{org}}}:ub:all", field_of(race_budget()["all"].limits[0], "UTC"))
    return counted(value)


async def test_processes_admit_exactly_what_fits(
    data_stores: DataStores, redis: RedisStore, limits: RedisLimits
) -> None:
    org, seen = fresh("race"), []
    racers = [await start(data_stores.redis_url, org, number) for number in range(PROCESSES)]
    ends = asyncio.gather(*(racer.communicate() for racer in racers))
    while not ends.done():
        # What is committed and held together, at one moment of the store.
        seen.append(await spent(redis, org))
        await asyncio.sleep(0.02)
    said = [json.loads(out) for out, _ in await ends]
    total = {name: sum(each[name] for each in said) for name in said[0]}
    assert 0 < max(seen) <= RACE_BUDGET
    assert total["admitted"] + total["refused"] == PROCESSES * TRIES
    assert min(total["admitted"], total["refused"]) > 0
    assert total["twice"] == 0
    # Refused requests charged nothing, settled ones what they used, forgotten ones what they hold.
    assert await spent(redis, org) == total["charged"]
    # Filled up: exactly as many more as fit, and the requests' own limit counted none that were refused.
    fits = (RACE_BUDGET - total["charged"]) // EACH
    more = [await ask(limits, org, race_budget(), Mode.RESERVE, requests=1, tokens=EACH) for _ in range(fits + 1)]
    assert [answer.status for answer in more] == [Status.ALLOWED] * fits + [Status.REFUSED]
    assert 10**6 - more[-1].standings[1].remaining == total["admitted"] + fits
