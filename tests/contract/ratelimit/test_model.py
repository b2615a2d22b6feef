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
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.kit.redis import RedisStore
from services.ratelimit.adapters.redis_penalties import RedisPenalties
from services.ratelimit.policy import (
    Algorithm,
    Calendar,
    Costs,
    Mode,
    OnExpiry,
    Penalties,
    Price,
    Step,
    Subject,
    Unit,
    Zone,
    money,
)
from services.ratelimit.policy.penalties import Culprit
from services.ratelimit.ports import Addition, Ask, BoundGroup, Reservation, Use
from services.ratelimit.ports.penalties import Accused
from tests.contract.ratelimit.model import Model
from tests.contract.ratelimit.support import SECOND, VirtualClock, fresh, group, limit, virtual_common, virtual_limits
from tests.support.stores import DataStores

# Two seconds before a month ends, so that a short sequence crosses midnight and the month.
START = 1_772_323_198 * SECOND  # 2026-02-28 23:59:58 UTC
PRICE = Price(1_000_000, 2_500_000)

ZONE = "America/Santiago"

USER = group(
    limit(Algorithm.GCRA, 12, 10, on_expiry=OnExpiry.REFUND),
    limit(Algorithm.SLIDING, 14, 6, on_expiry=OnExpiry.REFUND, trusted=20, trusted_below=60_000),
    limit(Algorithm.SLIDING, 3, 7, observe=True),
    limit(Algorithm.SLIDING, 50, 8, Unit.TOKENS, hold_permille=250),
    limit(Algorithm.CALENDAR, 120, Calendar.DAY, Unit.TOKENS, on_expiry=OnExpiry.REFUND),
    limit(Algorithm.CALENDAR, 300, Calendar.WEEK, Unit.TOKENS, exact=True, zone=Zone.BRAND),
)
KEYED = group(
    limit(Algorithm.SLIDING, 9, 5),
    limit(Algorithm.LIVE, 4, 0, Unit.CONCURRENCY),
    limit(Algorithm.CALENDAR, 90, Calendar.DAY, zone=Zone.BRAND),
    subject=Subject.API_KEY,
)
EVERYONE = group(
    limit(Algorithm.CALENDAR, 600, Calendar.MONTH, Unit.MICRO_USD),
    limit(Algorithm.LIVE, 5, 0, Unit.CONCURRENCY, observe=True),
    subject=Subject.ORGANISATION,
)
# Every counter that can be set to zero: its subject and its limit.
COUNTED = [
    (name, one.id)
    for name, found in ((("ub", "ann"), USER), (("key", "k"), KEYED), (("org",), EVERYONE))
    for one in found.limits
    if one.algorithm is not Algorithm.LIVE
]
# Quick to rise and to fall, so that a short sequence meets every level.
RULES = Penalties(
    half_life_ms=60_000,
    strike=130_000,
    enforced=True,
    longest_ms=40_000,
    forgiven_ms=20_000,
    slow_weight=2,
    limit_weight=5,
    steps=(Step(100_000, 5_000), Step(300_000, 3_000), Step(500_000, 4_000), Step(900_000, 6_000)),
)

workloads = st.sampled_from(["gateway"] * 5 + ["backend/shop"])
users = st.sampled_from(["ann", "ann", "bob"])
tokens = st.integers(0, 9)
prices = st.sampled_from([PRICE, PRICE, PRICE, Price(0, 0)])
short, seconds = st.integers(1, 900_000), st.integers(1, 9).map(lambda s: s * SECOND)
far = st.sampled_from([60 * SECOND, 3600 * SECOND, 86_400 * SECOND, 31 * 86_400 * SECOND])
# A window or less: what was reserved in the one before must still be settled there.
roll = st.sampled_from([3 * SECOND, 5 * SECOND, 6 * SECOND, 7 * SECOND])
steps = st.one_of(short, short, seconds, seconds, roll, roll, roll, roll, roll, far)


class Agreement(RuleBasedStateMachine):
    """Every rule does one operation on both and compares the whole answer."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = RedisStore(self.url, timeout_seconds=5)
        self.clock = VirtualClock(self.store, START)
        self.limits = virtual_limits(self.store, self.clock)
        self.penalties = RedisPenalties(self.store, virtual_common())
        self.model = Model(START, ZONE, rules=RULES)
        self.org = fresh("model")
        self.made = 0
        self.sent: dict[str, Any] = {}

    def _some(self, data: st.DataObject) -> str:
        """A reservation that can still be settled, if there is one; else any that ever was."""
        live = [name for name, hold in self.model.holds.items() if hold.state in ("held", "expired")]
        return data.draw(st.sampled_from(live or list(self.model.holds)))

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
        again=st.integers(0, 4),
        workload=workloads,
        ttl=st.integers(1, 12),
        most=st.integers(0, 12),
        data=st.data(),
    )
    def decide(
        self,
        *,
        mode: Mode,
        user: str,
        requests: int,
        spend: Any,
        price: Price,
        again: int,
        workload: str,
        ttl: int,
        most: int,
        data: st.DataObject,
    ) -> None:
        self.made += 1
        name = self._some(data) if self.model.holds and again == 0 else f"request-{self.made:04d}"
        if again == 0 and data.draw(st.booleans()) and name in self.sent:
            mode, user, requests, spend, price, most = self.sent[name]
        self.sent[name] = (mode, user, requests, spend, price, most)
        most_tokens = sum(spend) + most
        costs = Costs(requests, sum(spend), money(price, *spend), most_tokens, money(price, spend[0], spend[1] + most))
        bound = (BoundGroup(KEYED, ("key", "k")), BoundGroup(USER, ("ub", user)), BoundGroup(EVERYONE, ("org",)))
        ask = Ask(self.org, bound, mode, costs, price, workload, name, ttl * SECOND, ZONE, RULES)
        expected = self.model.decide(ask)
        assert self.runner.run(self.limits.decide(ask)) == expected

    @rule(user=users, times=st.integers(2, 7), requests=st.integers(1, 3), pause=st.sampled_from([0, 400_000, SECOND]))
    def hammer(self, user: str, times: int, requests: int, pause: int) -> None:
        """Refused again and again, which is held against the user and the key."""
        for _ in range(times):
            self.made += 1
            bound = (BoundGroup(KEYED, ("key", "k")), BoundGroup(USER, ("ub", user)))
            name = f"request-{self.made:04d}"
            ask = Ask(self.org, bound, Mode.TAKE, Costs(requests, 0, 0), PRICE, "gateway", name, 0, ZONE, RULES)
            assert self.runner.run(self.limits.decide(ask)) == self.model.decide(ask)
            self.model.now += pause
            self.runner.run(self.clock.set(self.model.now))

    @precondition(lambda self: self.model.holds)
    @rule(
        data=st.data(),
        workload=workloads,
        requests=st.integers(0, 3),
        spend=st.tuples(tokens, tokens),
        price=st.none() | prices,
    )
    def commit(self, data: st.DataObject, workload: str, requests: int, spend: Any, price: Price | None) -> None:
        name = self._some(data)
        use = Use(requests, spend[0], spend[1], price)
        got = self.runner.run(self.limits.commit(Reservation(self.org, name, workload), use))
        assert got == self.model.settle(name, workload, use, keep=True)

    @rule(who=st.sampled_from(COUNTED))
    def reset(self, who: tuple[tuple[str, ...], str]) -> None:
        name, limit_id = who
        accused = Accused(Culprit.USER_BRAND, self.org, name)
        self.runner.run(self.penalties.clear(accused, RULES, [limit_id], wipe=False))
        self.model.reset((":".join(name), limit_id))

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), workload=workloads, keep=st.booleans())
    def release(self, data: st.DataObject, workload: str, keep: bool) -> None:
        name = self._some(data)
        got = self.runner.run(self.limits.release(Reservation(self.org, name, workload), keep_requests=keep))
        assert got == self.model.settle(name, workload, None, keep=keep)[0]

    @precondition(lambda self: self.model.holds)
    @rule(
        data=st.data(),
        workload=workloads,
        requests=st.integers(0, 2),
        spend=st.tuples(tokens, tokens),
        ttl=st.integers(1, 4000),
        again=st.sampled_from(["", "part-1", "part-2"]),
    )
    def extend(self, data: st.DataObject, workload: str, requests: int, spend: Any, ttl: int, again: str) -> None:
        name = self._some(data)
        more = Addition(Use(requests, spend[0], spend[1], None), ttl * SECOND, again, ZONE)
        every = [*KEYED.limits, *USER.limits, *EVERYONE.limits]
        got = self.runner.run(self.limits.extend(Reservation(self.org, name, workload), more, every))
        assert got == self.model.extend(name, workload, more)


@pytest.mark.timeout(110)
def test_scripts_agree_with_the_reference(data_stores: DataStores) -> None:
    Agreement.url = data_stores.redis_url
    run_state_machine_as_test(
        Agreement,
        settings=settings(
            max_examples=25, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
