"""Whether what lies in Redis goes by itself as soon as it should: every key has an owner and a time to live."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from services.kit.redis import RedisStore
from services.kit.retention import Owned, Volatile

_OURS = "hk:*"
_TOGETHER = 500
_SLACK_MS = 1000  # a time to live is rounded up


async def overstaying(store: RedisStore, owned: Sequence[Owned], ages: Mapping[str, float]) -> list[str]:
    """What lives longer than `ages` (seconds, by type) says, and how many keys nobody claims. Names of types and
    counts, never a key. Raises Unavailable."""
    types = [each for own in owned for each in own.volatile if each.pattern]
    found: Counter[str] = Counter()
    with store.guard():
        waiting: list[str] = []
        async for key in store.client.scan_iter(match=_OURS, count=_TOGETHER):
            waiting.append(key.decode("utf-8", "replace"))
            if len(waiting) == _TOGETHER:
                found += await _looked_at(store, types, ages, waiting)
                waiting = []
        found += await _looked_at(store, types, ages, waiting)
    return [f"{name}: {count} keys in Redis" for name, count in sorted(found.items())]


async def _looked_at(
    store: RedisStore, types: Sequence[Volatile], ages: Mapping[str, float], keys: Sequence[str]
) -> Counter[str]:
    lives = await asyncio.gather(*(store.client.pttl(key) for key in keys))
    found: Counter[str] = Counter()
    for key, life in zip(keys, lives, strict=True):
        kind = next((each.name for each in types if fnmatchcase(key, each.pattern)), "")
        if not kind:
            found["no service claims"] += 1
        elif life == -1 and ages[kind] != float("inf"):
            found[f"{kind} without an end"] += 1
        elif life > ages[kind] * 1000 + _SLACK_MS:
            found[f"{kind} beyond their time"] += 1
    return found
