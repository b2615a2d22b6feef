"""Descriptors of an edge proxy in Redis: one script, one round trip, one slot per domain."""

from __future__ import annotations

import json
from collections.abc import Sequence

from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import script
from services.ratelimit.policy.descriptors import DescriptorLimit, Draw
from services.ratelimit.policy.edge_verdict import EdgeStanding

_GCRA, _SLIDING = 1, 2


class RedisDescriptors:
    """Implements `DescriptorStore`."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._script = script("descriptors")

    async def take(self, domain: str, draws: Sequence[Draw]) -> tuple[tuple[EdgeStanding, ...], ...]:
        """Takes all draws or none. A domain has no colon in it and an organisation neither, so their slots and keys
        are never the same."""
        keys = [f"hk:ratelimit:{{envoy:{domain}}}:{draw.subject}" for draw in draws]
        spec = json.dumps([_group(draw) for draw in draws], separators=(",", ":"))
        flat = await self._store.run(self._script, keys, [spec])
        rows = iter([flat[at : at + 4] for at in range(0, len(flat), 4)])
        return tuple(tuple(_standing(limit, next(rows)) for limit in draw.limits) for draw in draws)


def _group(draw: Draw) -> list[object]:
    life = max(limit.state_ms for limit in draw.limits)
    return [draw.hits, int(draw.settle), life, [_spec(limit) for limit in draw.limits]]


def _spec(limit: DescriptorLimit) -> list[object]:
    # The shape of the state is part of its name: state of another shape is never misread.
    field = f"{limit.id}|{limit.algorithm[0]}{limit.window}"
    observe = int(limit.mode == "observe")
    if limit.algorithm == "gcra":
        return [field, _GCRA, limit.limit, -(-limit.window * 1_000_000 // limit.limit), observe]
    return [field, _SLIDING, limit.limit, limit.window * 1000, observe]


def _standing(limit: DescriptorLimit, row: Sequence[int]) -> EdgeStanding:
    fits, remaining, wait_us, reset_us = row
    return EdgeStanding(limit, fits == 1, remaining, wait_us if fits == 0 else None, reset_us)
