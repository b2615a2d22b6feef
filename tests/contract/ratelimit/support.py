"""Limits for the tests, and the scripts with a clock that a test can set."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from services.kit.redis import RedisStore
from services.ratelimit.adapters import redis_limits
from services.ratelimit.adapters.policy_file import load_policy
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.policy import (
    Algorithm,
    Calendar,
    Costs,
    Group,
    Limit,
    Mode,
    OnExceed,
    OnExpiry,
    OnStoreError,
    PolicyDocument,
    Price,
    Subject,
    Unit,
)
from services.ratelimit.ports import Answer, Ask, BoundGroup, LimitStore
from services.ratelimit.settings import DEFAULT_POLICY

SECOND = 1_000_000
TIME_LINE = "local clock = redis.call('TIME')"
DEFAULT_PRICE = Price(1, 1)
_CLOCK_KEY = "hk:test:clock"
_numbers = count(1)


def fresh(prefix: str = "org") -> str:
    """A name that no other test uses."""
    return f"{prefix}-{next(_numbers)}"


def request_id() -> str:
    return f"request-{next(_numbers):08d}"


class VirtualClock:
    """One time for the service and, through a key, for the scripts."""

    def __init__(self, store: RedisStore, now_us: int) -> None:
        self._store = store
        self.now_us = now_us

    def now(self) -> float:
        return self.now_us / SECOND

    async def set(self, now_us: int) -> None:
        self.now_us = now_us
        client: Any = self._store.client
        await client.hset(_CLOCK_KEY, mapping={"s": now_us // SECOND, "us": now_us % SECOND})


def virtual_common() -> str:
    """What all scripts share, but for the one line that reads the time."""
    common = (Path(redis_limits.__file__).parent / "scripts" / "common.lua").read_text()
    assert common.count(TIME_LINE) == 1
    assert common.count("TIME") == 1
    return common.replace(TIME_LINE, f"local clock = redis.call('HMGET', '{_CLOCK_KEY}', 's', 'us')")


def virtual_limits(store: RedisStore, clock: VirtualClock) -> RedisLimits:
    """The real scripts on the clock that a test sets."""
    return RedisLimits(store, clock, virtual_common())


def limit(algorithm: Algorithm, amount: int, window: int | Calendar, unit: Unit = Unit.REQUESTS, **more: Any) -> Limit:
    whose = f".{more['zone']}" if "zone" in more else ""
    base = Limit(
        id=f"{unit}.{algorithm}.{window}{whose}",
        subject=Subject.USER_BRAND,
        unit=unit,
        algorithm=algorithm,
        limit=amount,
        capacity=amount,
        window_seconds=window if not isinstance(window, Calendar) else 0,
        calendar=window if isinstance(window, Calendar) else None,
        on_exceed=OnExceed.THROTTLE,
        on_store_error=OnStoreError.CLOSED,
        on_expiry=OnExpiry.CHARGE,
        observe=False,
    )
    return replace(base, **more)


def group(*limits: Limit, subject: Subject = Subject.USER_BRAND) -> Group:
    return Group(subject, limits)


RACE_BUDGET = 350_000


def race_budget() -> dict[str, Group]:
    """One exact budget of tokens, and a count of requests beside it that nobody reaches."""
    budget = limit(Algorithm.CALENDAR, RACE_BUDGET, Calendar.MONTH, Unit.TOKENS, exact=True)
    return {"all": group(budget, limit(Algorithm.CALENDAR, 10**6, Calendar.MONTH))}


def default_policy() -> PolicyDocument:
    return load_policy(DEFAULT_POLICY)


async def ask(
    store: LimitStore,
    partition: str,
    groups: dict[str, Group],
    mode: Mode = Mode.TAKE,
    *,
    requests: int = 0,
    tokens: int = 0,
    micro_usd: int = 0,
    request: str = "",
    workload: str = "gateway",
    hold: int = 60 * SECOND,
    price: Price = DEFAULT_PRICE,
) -> Answer:
    """One decision, with short words."""
    bound = tuple(BoundGroup(g, ("ub", name)) for name, g in groups.items())
    costs = Costs(requests, tokens, micro_usd)
    name = request or request_id()
    return await store.decide(Ask(partition, bound, mode, costs, price, workload, name, hold))
