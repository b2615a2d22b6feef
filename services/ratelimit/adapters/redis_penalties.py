"""Penalties in Redis: in the same hash as the limits of a subject, so that a decision reads both at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_limits import script
from services.ratelimit.adapters.wire_form import packed_penalties
from services.ratelimit.policy.model import Level, Penalties
from services.ratelimit.policy.penalties import Burst, Held
from services.ratelimit.ports import UnseededError
from services.ratelimit.ports.penalties import Accused, Counter, Report, TooManyOpenError

_EVENTS = 16  # events remembered by a subject: a repeat comes soon or never
_HELD = 6  # values for one subject in every reply
_UNSEEDED = -1


class RedisPenalties:
    """Implements `PenaltyStore`."""

    def __init__(
        self,
        store: RedisStore,
        common: str | None = None,
        ledger: int = 0,
        touched: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._touched = touched
        self._signal = script("signal", common)
        self._held = script("held", common, ledger)
        self._near = script("near", common)

    async def signal(self, accused: Sequence[Accused], report: Report, rules: Penalties) -> tuple[list[Held], bool]:
        """Counts a report against each, in one round trip."""
        event = hashlib.blake2b(report.event.encode(), digest_size=8).hexdigest()
        reply = await self._store.run(
            self._signal,
            [_key(one) for one in accused],
            [report.kind, report.weight, event, packed_penalties(rules), _EVENTS],
        )
        rows = _rows(reply)
        return [_held(reply[0], row[1:]) for row in rows], any(row[0] for row in rows)

    async def query(
        self, accused: Accused, sketch: bytes, burst: Burst, report: Report, rules: Penalties
    ) -> tuple[int, bool]:
        """Remembers a sketch, in one round trip."""
        args: list[str | bytes | int] = [sketch, burst.window_ms, burst.remembered, burst.alike, burst.queries]
        args += [report.kind, report.weight]
        _, near, reported = await self._store.run(self._near, [_key(accused)], [*args, packed_penalties(rules)])
        return int(near), bool(reported)

    async def held(self, accused: Sequence[Accused], rules: Penalties) -> list[Held]:
        """What is held against each."""
        reply = await self._store.run(self._held, [_key(one) for one in accused], [packed_penalties(rules), 0, 0])
        return [_held(reply[0], row) for row in _rows(reply)]

    async def clear(
        self, accused: Accused, rules: Penalties | None, limits: Sequence[str], *, wipe: bool, budget: bool = False
    ) -> tuple[Held, list[Counter]]:
        """Sets counters to zero and forgets, in one round trip."""
        args: list[str | bytes | int] = [packed_penalties(rules), int(wipe), int(budget), *limits]
        reply = await self._store.run(self._held, [_key(accused)], args)
        if reply[0] < 0:
            raise UnseededError(accused.partition) if reply[0] == _UNSEEDED else TooManyOpenError(accused.partition)
        if limits:
            self._touched(accused.partition)
        (row,) = _rows(reply)
        cleared = json.loads(row[5]) or []  # Lua has one word for an empty list and an empty object
        return _held(reply[0], row), [_counter(field, value, reply[0]) for field, value in cleared]


def _rows(reply: Sequence[Any]) -> list[Sequence[Any]]:
    return [reply[start : start + _HELD] for start in range(1, len(reply), _HELD)]


def _counter(field: str, value: str, now_ms: int) -> Counter:
    """A windowed counter says how much it had counted; a steady rate how long it would have taken to be whole again."""
    limit_id = field.partition("|")[0]
    if ":" in value:
        return Counter(limit_id, used=int(value.split(":")[1]))
    return Counter(limit_id, whole_in_ms=max(0, int(value) // 1000 - now_ms))


def _key(accused: Accused) -> str:
    return f"hk:ratelimit:{{{accused.partition}}}:" + ":".join(accused.name)


def _held(now_ms: int, row: Sequence[Any]) -> Held:
    score, strikes, level, until_ms, counts = row[:5]
    return Held(score, now_ms, strikes, Level(level), until_ms, json.loads(counts))
