"""The life of API keys against a model that knows nothing of how it is done: only dates, and who comes from where."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from services.auth.flows.authenticate import Asked, Kind
from services.auth.flows.key_making import Wanted, networks_of
from services.auth.policy.identity import Circumstances
from services.kit.errors import FailedPrecondition
from tests.unit.auth.fakes import USER, Desk

INSIDE, OUTSIDE, NOWHERE = "198.51.100.7", "203.0.113.7", ""
FOREVER = float("inf")


@dataclass
class Known:
    """What a person with a calendar would write down about a key."""

    text: str
    key_id: str
    life: float
    begins: float
    ends: float
    bound: bool
    rotated: bool = False
    revoked: bool = False

    def good(self, now: float) -> bool:
        return not self.revoked and self.begins <= now < self.ends


class Keys(RuleBasedStateMachine):
    """Create, rotate, revoke, wait, report; after each step every key is shown from three places."""

    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.desk = Desk()
        self.known: list[Known] = []

    def teardown(self) -> None:
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @property
    def now(self) -> float:
        return self.desk.clock.now()

    @initialize()
    def house(self) -> None:
        self.caller = self.run(self.desk.caller(self.desk.plant()))

    @rule(
        target=keys,
        life=st.sampled_from([None, 1.0, 60.0, 86_400.0]),
        wait=st.sampled_from([None, 0.5, 30.0]),
        bound=st.booleans(),
    )
    def create(self, life: float | None, wait: float | None, bound: bool) -> Known:
        begins = None if wait is None or (life is not None and wait >= life) else self.now + wait
        networks = networks_of(["198.51.100.0/24"]) if bound else ()
        wanted = Wanted(USER, "", ("chat",), "", life, begins, networks)
        return self.note(self.run(self.desk.management.create(self.caller, wanted)), life or FOREVER, begins, bound)

    @rule(target=keys, old=keys, grace=st.sampled_from([0.0, None, 3.0, 0.0, 60.0, 14.9, 30 * 86_400.0]))
    def rotate(self, old: Known, grace: float | None) -> Known:
        may = old.good(self.now) and not old.rotated
        try:
            issued = self.run(self.desk.management.rotate(self.caller, old.key_id, grace))
        except FailedPrecondition:
            assert not may
            return old
        assert may
        old.rotated = True
        old.ends = min(old.ends, self.now + (7 * 86_400.0 if grace is None else grace))
        assert issued.old_ends_at == old.ends
        return self.note(issued, old.life, None, old.bound)

    @rule(key=keys)
    def revoke(self, key: Known) -> None:
        self.run(self.desk.management.revoke(self.caller, key.key_id))
        key.revoked = True

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0, 15.0, 60.0, 3600.0, 86_400.0, 7 * 86_400.0]))
    def wait(self, seconds: float) -> None:
        self.desk.clock.time += seconds

    def note(self, issued: Any, life: float, begins: float | None, bound: bool) -> Known:
        ends = self.now + life
        key = Known(issued.text, issued.record.key_id, life, self.now if begins is None else begins, ends, bound)
        self.known.append(key)
        return key

    @invariant()
    def every_key_opens_exactly_when_the_calendar_says(self) -> None:
        for key in self.known:
            for place in (INSIDE, OUTSIDE, NOWHERE):
                asked = Asked(Kind.API_KEY, key.text, "", "backend/shop", "", Circumstances(client_address=place))
                found = self.run(self.desk.authenticator.authenticate(asked))
                expected = key.good(self.now) and (not key.bound or place == INSIDE)
                assert (found.minted is not None) == expected, (found.cause, key)


TestKeys = Keys.TestCase
TestKeys.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
