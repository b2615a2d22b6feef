"""A process of the race: reserves, settles or forgets, as fast as it can, and says what it was told."""

from __future__ import annotations

import asyncio
import json
import random
import sys

from services.kit.clock import SystemClock
from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.policy import Mode
from services.ratelimit.ports import Reservation, Settled, Status, Use
from tests.contract.ratelimit.support import SECOND, ask, race_budget

EACH = 700


async def race(url: str, org: str, name: str, tries: int) -> dict[str, int]:
    """Admitted, refused, and tokens that stay charged: of every three admitted, one is settled lower and one given
    back, each twice, as a caller does that got no answer."""
    store = RedisStore(url, timeout_seconds=20)
    limits, said = RedisLimits(store, SystemClock()), {"admitted": 0, "refused": 0, "charged": 0, "twice": 0}
    dice = random.Random(name)

    async def one(number: int) -> None:
        request = f"{name}-{number:06d}"
        answer = await ask(limits, org, race_budget(), Mode.RESERVE, requests=1, tokens=EACH, request=request,
                           hold=600 * SECOND)  # fmt: skip
        if answer.status is not Status.ALLOWED:
            said["refused"] += 1
            return
        said["admitted"] += 1
        mine, fate = Reservation(org, request, "gateway"), dice.randrange(3)
        if fate == 0:
            used = dice.randrange(EACH)
            results = await asyncio.gather(*(limits.commit(mine, Use(1, used, 0, None)) for _ in range(2)))
            said["twice"] += sorted(settled for settled, _ in results) != [Settled.APPLIED, Settled.ALREADY]
            said["charged"] += used
        elif fate == 1:
            both = [await limits.release(mine, keep_requests=True) for _ in range(2)]
            said["twice"] += both != [Settled.APPLIED, Settled.ALREADY]
        else:
            said["charged"] += EACH

    for start in range(0, tries, 32):
        await asyncio.gather(*(one(number) for number in range(start, min(start + 32, tries))))
    await store.close()
    return said


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(race(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))))
