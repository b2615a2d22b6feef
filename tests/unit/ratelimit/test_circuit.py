"""The circuit: opens after failures in a row, lets one call try, and tells of a change once."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from services.kit.errors import Unavailable
from services.ratelimit.adapters.circuit_limits import CircuitLimits
from services.ratelimit.policy import Costs, Limit, Mode
from services.ratelimit.policy.circuit import Circuit, CircuitRules, CircuitState
from services.ratelimit.ports import Addition, Answer, Ask, Reservation, Settled, Status, UnseededError, Use

RULES = CircuitRules(failures=3, pause=1.0, longest_pause=4.0)


def opened() -> Circuit:
    circuit = Circuit(RULES)
    for _ in range(3):
        assert circuit.admit(0)
        circuit.failed(0)
    return circuit


def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    circuit = Circuit(RULES)
    for _ in range(10):
        assert not circuit.failed(0)
        assert not circuit.failed(0)
        assert not circuit.succeeded()
    assert circuit.state is CircuitState.CLOSED


def test_enough_failures_in_a_row_open_it_and_it_is_said_once() -> None:
    circuit = Circuit(RULES)
    assert [circuit.failed(0) for _ in range(6)] == [False, False, True, False, False, False]
    assert not circuit.admit(0.9)


def test_after_the_pause_one_call_tries_and_no_other() -> None:
    circuit = opened()
    assert circuit.admit(1.0)
    assert [circuit.admit(1.0 + n) for n in range(5)] == [False] * 5


def test_a_failed_try_is_no_news_and_doubles_the_pause_up_to_the_longest() -> None:
    circuit = opened()
    now = 1.0
    for pause in (2.0, 4.0, 4.0, 4.0):
        assert circuit.admit(now)
        assert not circuit.failed(now)
        assert not circuit.admit(now + pause - 0.01)
        now += pause


def test_an_answer_closes_it_and_the_count_begins_anew() -> None:
    circuit = opened()
    assert circuit.admit(1.0)
    assert circuit.succeeded()
    assert not circuit.succeeded()
    assert circuit.admit(1.0)
    assert not circuit.failed(1.0)
    assert circuit.admit(1.0)


def test_a_try_that_was_cancelled_leaves_the_next_one_free() -> None:
    circuit = opened()
    assert circuit.admit(1.0)
    circuit.abandoned(1.0)
    assert circuit.admit(1.0)
    assert not circuit.admit(1.0)


def test_a_cancelled_call_says_nothing_about_a_closed_circuit() -> None:
    circuit = Circuit(RULES)
    for _ in range(10):
        circuit.abandoned(0)
    assert circuit.admit(0)


class Store:
    """A store that does as it is told, and counts who asked."""

    def __init__(self) -> None:
        self.raises: Exception | None = Unavailable("redis")
        self.asked = 0

    async def decide(self, ask: Ask) -> Answer:
        self.asked += 1
        if self.raises:
            raise self.raises
        return Answer(Status.ALLOWED, (), 0)

    async def commit(self, reservation: Reservation, use: Use) -> tuple[Settled, int]:
        raise NotFoundError(reservation, use)

    async def release(self, reservation: Reservation, *, keep_requests: bool) -> Settled:
        raise NotFoundError(reservation, keep_requests)

    async def extend(self, reservation: Reservation, more: Addition, limits: Sequence[Limit]) -> Answer | None:
        raise NotFoundError(reservation, more, limits)


class NotFoundError(Exception):
    """Nothing here asks for it."""


def asking(partition: str = "org") -> Ask:
    return Ask(partition, (), Mode.TAKE, Costs(1, 0, 0))


async def refused(limits: CircuitLimits, partition: str = "org") -> None:
    with pytest.raises(Unavailable):
        await limits.decide(asking(partition))


async def test_while_it_is_open_nobody_waits_for_the_store_and_the_log_has_two_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, now = Store(), [0.0]
    limits = CircuitLimits(store, rules=RULES, monotonic=lambda: now[0])
    with caplog.at_level(logging.WARNING, "services.ratelimit.adapters.circuit_limits"):
        for _ in range(50):
            await refused(limits)
        assert store.asked == 3
        now[0] = 1.0
        await refused(limits)
        assert store.asked == 4
        store.raises, now[0] = None, 10.0
        for _ in range(50):
            assert (await limits.decide(asking())).status is Status.ALLOWED
    assert len(caplog.records) == 2


async def test_a_store_that_must_be_seeded_first_has_answered() -> None:
    store = Store()
    store.raises = UnseededError("org")
    limits = CircuitLimits(store, rules=RULES)
    for _ in range(20):
        with pytest.raises(UnseededError):
            await limits.decide(asking())
    assert store.asked == 20


async def test_what_waits_for_another_store_does_not_open_it() -> None:
    store = Store()
    store.raises = Unavailable("postgres")
    limits = CircuitLimits(store, rules=RULES)
    for _ in range(20):
        await refused(limits)
    assert store.asked == 20


async def test_on_a_cluster_one_lost_shard_does_not_stop_the_others() -> None:
    store = Store()
    limits = CircuitLimits(store, cluster=True, rules=RULES)
    for _ in range(10):
        await refused(limits, "foo")  # slot 12182
    assert store.asked == 3
    store.raises = None
    await refused(limits, "foo")
    assert (await limits.decide(asking("bar"))).status is Status.ALLOWED  # slot 5061
