"""The scripts on a real Redis and the reference model, fed the same operations, must answer the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.kit.redis import RedisStore
from services.ratelimit.policy import Algorithm, Calendar, Costs, Mode, OnExpiry, Price, Unit, money
from services.ratelimit.ports import Ask, BoundGroup, Reservation, Use
from tests.contract.ratelimit.model import Model
from tests.contract.ratelimit.support import SECOND, VirtualClock, fresh, group, limit, virtual_limits
from tests.support.stores import DataStores

# Two seconds before a month ends, so that a short sequence crosses midnight and the month.
START = 1_772_323_198 * SECOND  # 2026-02-28 23:59:58 UTC
PRICE = Price(1_000_000, 2_500_000)

USER = group(
    limit(Algorithm.GCRA, 3, 10, on_expiry=OnExpiry.REFUND),
    limit(Algorithm.SLIDING, 4, 10, on_expiry=OnExpiry.REFUND),
    limit(Algorithm.SLIDING, 2, 7, observe=True),
    limit(Algorithm.SLIDING, 40, 60, Unit.TOKENS),
    limit(Algorithm.CALENDAR, 70, Calendar.DAY, Unit.TOKENS, on_expiry=OnExpiry.REFUND),
)
EVERYONE = group(limit(Algorithm.CALENDAR, 400, Calendar.MONTH, Unit.MICRO_USD))

names = st.integers(0, 11).map(lambda n: f"request-{n:04d}")
workloads = st.sampled_from(["gateway", "gateway", "gateway", "backend/shop"])
users = st.sampled_from(["ann", "bob"])
tokens = st.integers(0, 30)
prices = st.sampled_from([PRICE, PRICE, Price(0, 0)])
steps = st.one_of(
    st.integers(1, 2_000_000),
    st.integers(1, 12).map(lambda s: s * SECOND),
    st.sampled_from([60 * SECOND, 3600 * SECOND, 86_400 * SECOND, 31 * 86_400 * SECOND]),
)


class Agreement(RuleBasedStateMachine):
    """Every rule does one operation on both and compares the whole answer."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = RedisStore(self.url, timeout_seconds=5)
        self.clock = VirtualClock(self.store, START)
        self.limits = virtual_limits(self.store, self.clock)
        self.model = Model(START)
        self.org = fresh("model")

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()

    @initialize()
    def begin(self) -> None:
        self.runner.run(self.clock.set(START))

    @rule(step=steps)
    def time_passes(self, step: int) -> None:
        self.model.now += step
        self.runner.run(self.clock.set(self.model.now))

    @rule(
        mode=st.sampled_from([Mode.TAKE, Mode.PEEK, Mode.RESERVE, Mode.RESERVE, Mode.RESERVE]),
        user=users,
        requests=st.integers(0, 3),
        spend=st.tuples(tokens, tokens),
        price=prices,
        name=names,
        workload=workloads,
        ttl=st.integers(1, 20),
    )
    def decide(
        self, mode: Mode, user: str, requests: int, spend: Any, price: Price, name: str, workload: str, ttl: int
    ) -> None:
        costs = Costs(requests, sum(spend), money(price, *spend))
        bound = (BoundGroup(USER, ("ub", user)), BoundGroup(EVERYONE, ("org",)))
        ask = Ask(self.org, bound, mode, costs, price, workload, name, ttl * SECOND)
        flat = [(user, each) for each in USER.limits] + [("org", each) for each in EVERYONE.limits]
        expected = self.model.decide(flat, mode, costs, price, workload, name, ttl * SECOND)
        assert self.runner.run(self.limits.decide(ask)) == expected

    @precondition(lambda self: self.model.holds)
    @rule(
        name=names,
        workload=workloads,
        requests=st.integers(0, 3),
        spend=st.tuples(tokens, tokens),
        price=st.none() | prices,
    )
    def commit(self, name: str, workload: str, requests: int, spend: Any, price: Price | None) -> None:
        use = Use(requests, *spend, price)
        got = self.runner.run(self.limits.commit(Reservation(self.org, name, workload), use))
        assert got == self.model.settle(name, workload, use, keep=True)

    @precondition(lambda self: self.model.holds)
    @rule(name=names, workload=workloads, keep=st.booleans())
    def release(self, name: str, workload: str, keep: bool) -> None:
        got = self.runner.run(self.limits.release(Reservation(self.org, name, workload), keep_requests=keep))
        assert got == self.model.settle(name, workload, None, keep=keep)[0]

    @precondition(lambda self: self.model.holds)
    @rule(name=names, workload=workloads, spend=st.tuples(tokens, tokens), ttl=st.integers(1, 4000))
    def extend(self, name: str, workload: str, spend: Any, ttl: int) -> None:
        use = Use(0, *spend, None)
        every = [*USER.limits, *EVERYONE.limits]
        got = self.runner.run(self.limits.extend(Reservation(self.org, name, workload), use, ttl * SECOND, every))
        assert got == self.model.extend(name, workload, use, ttl * SECOND)

    @invariant()
    def nothing_overshoots_by_admission(self) -> None:
        """Reservations alone never pass a limit; only a commit of more than was reserved may."""
        for hold in self.model.holds.values():
            assert all(entry.amount >= 0 for entry in hold.entries)


@pytest.mark.timeout(110)
def test_scripts_agree_with_the_reference(data_stores: DataStores) -> None:
    Agreement.url = data_stores.redis_url
    run_state_machine_as_test(
        Agreement,
        settings=settings(
            max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
