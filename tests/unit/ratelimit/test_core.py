"""Calendars, prices, verdicts and the local share: pure, so tested without anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import FailedPrecondition, NotFound, Unavailable
from services.ratelimit.adapters.local_share import MemoryShare
from services.ratelimit.limiter import Limiter, Request, address_subject
from services.ratelimit.policy import (
    Calendar,
    Compiler,
    Decision,
    Identity,
    Level,
    Limit,
    Mode,
    OnExceed,
    OnStoreError,
    Outcome,
    Penalty,
    Price,
    Prices,
    Reason,
    Standing,
    Subject,
    Unit,
    boundaries,
    decide,
    money,
    parse_policy,
)
from services.ratelimit.ports import Addition, Answer, Ask, Reservation, Settled, Status, Use
from tests.unit.ratelimit.test_document import DOCUMENT, changed, limits_of

LIMITS = limits_of("pro")
MINUTE, TOKENS = LIMITS["user_brand.messages.minute"], LIMITS["user_brand.tokens.day"]
ME = Identity("acme", "pro", "key_0123456789abcdef", "ada", "shop")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("calendar", "now", "start", "end"),
    [
        (Calendar.DAY, "2026-03-01T00:00:00", "2026-03-01", "2026-03-02"),
        (Calendar.DAY, "2026-02-28T23:59:59", "2026-02-28", "2026-03-01"),
        (Calendar.DAY, "2028-02-29T12:00:00", "2028-02-29", "2028-03-01"),
        (Calendar.MONTH, "2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
        (Calendar.MONTH, "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        (Calendar.MONTH, "2027-01-01T00:00:00", "2027-01-01", "2027-02-01"),
        (Calendar.WEEK, "2026-03-01T23:59:59", "2026-02-23", "2026-03-02"),
        (Calendar.WEEK, "2026-03-02T00:00:00", "2026-03-02", "2026-03-09"),
        (Calendar.WEEK, "2028-02-29T12:00:00", "2028-02-28", "2028-03-06"),
    ],
)
def test_windows_begin_and_end_where_people_expect(calendar: Calendar, now: str, start: str, end: str) -> None:
    assert boundaries(calendar, at(now))[2:4] == (at(start), at(end))


@given(st.integers(0, 4_000_000_000), st.sampled_from(Calendar))
def test_boundaries_rise_around_now_and_join_without_gaps(now: int, calendar: Calendar) -> None:
    b = boundaries(calendar, now)
    assert b[0] < b[1] < b[2] <= now < b[3] < b[4]
    assert boundaries(calendar, b[3])[:4] == b[1:]


@given(st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 10**9), st.integers(0, 10**9))
def test_money_is_rounded_up_once(input_tokens: int, output_tokens: int, p: int, q: int) -> None:
    exact = input_tokens * p + output_tokens * q
    cost = money(Price(p, q), input_tokens, output_tokens)
    assert (cost - 1) * 1_000_000 < exact <= cost * 1_000_000


def test_an_unknown_model_is_never_free() -> None:
    prices = Prices(parse_policy(DOCUMENT).prices)
    assert prices.find("self-hosted") == Price(0, 0)
    assert prices.find("unheard-of") == prices.find("") == Price(15_000_000, 75_000_000)
    strict = Prices(parse_policy(changed("prices/unknown_model", "deny")).prices)
    assert strict.find("unheard-of") is None
    assert strict.find("") == Price(15_000_000, 75_000_000)


def standing(limit: Limit, *, fits: bool = False, never: bool = False, wait: int = 0) -> Standing:
    return Standing(limit, fits, never, 0, wait, 0)


@pytest.mark.parametrize(
    ("standings", "outcome", "reason", "wait"),
    [
        ([], Outcome.ALLOW, Reason.NONE, None),
        ([standing(MINUTE, fits=True)], Outcome.ALLOW, Reason.NONE, None),
        ([standing(MINUTE, wait=7), standing(TOKENS, fits=True)], Outcome.THROTTLE, Reason.RATE_LIMITED, 7),
        ([standing(MINUTE, wait=7), standing(TOKENS, wait=5)], Outcome.THROTTLE, Reason.BUDGET_EXHAUSTED, 7),
        ([standing(MINUTE, wait=7), standing(TOKENS, never=True)], Outcome.DENY, Reason.NEVER_FITS, None),
        ([standing(replace(MINUTE, observe=True), wait=7)], Outcome.ALLOW, Reason.NONE, None),
        (
            [standing(replace(MINUTE, on_exceed=OnExceed.CHALLENGE), wait=7)],
            Outcome.CHALLENGE,
            Reason.ADDRESS_OVER_LIMIT,
            7,
        ),
    ],
)
def test_one_answer_from_all_limits(
    standings: list[Standing], outcome: Outcome, reason: Reason, wait: int | None
) -> None:
    decision = decide(standings)
    assert (decision.outcome, decision.reason, decision.retry_after_us) == (outcome, reason, wait)


HOUR = LIMITS["user_brand.messages.hour"]


@given(st.integers(1, 10**13), st.floats(0, 1))
def test_a_long_wait_is_spread_by_a_tenth_and_never_shorter_than_what_is_published(wait: int, share: float) -> None:
    long = decide([standing(HOUR, wait=wait), standing(MINUTE, wait=1)], share=share)
    assert long.retry_after_us is not None
    assert wait <= long.retry_after_us <= wait + wait // 10 + 1
    assert [s.wait_us for s in long.standings] == [wait, 1]
    assert decide([standing(MINUTE, wait=wait)], share=share).retry_after_us == wait


@pytest.mark.parametrize("level", list(Level))
def test_only_a_suspension_that_is_enforced_refuses_what_fits(level: Level) -> None:
    penalty = Penalty(Subject.USER_BRAND, level, 90)
    found = decide([standing(MINUTE, fits=True)], penalty)
    out = level is Level.SUSPEND
    assert (found.outcome, found.reason) == ((Outcome.DENY, Reason.PENALISED) if out else (Outcome.ALLOW, Reason.NONE))
    assert found.penalty == penalty
    assert decide([standing(MINUTE, fits=True)], penalty, enforced=False).outcome is Outcome.ALLOW
    # No time to wait, which a client would take for "try again": when it ends stands in the penalty.
    both = decide([standing(MINUTE, wait=500)], penalty)
    assert (both.outcome, both.retry_after_us) == ((Outcome.DENY, None) if out else (Outcome.THROTTLE, 500))
    never = decide([standing(TOKENS, never=True)], penalty)
    assert (never.outcome, never.reason) == (Outcome.DENY, Reason.PENALISED if out else Reason.NEVER_FITS)


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
    ],
)
def test_an_address_is_counted_by_its_customer(address: str, subject: str) -> None:
    assert address_subject(address) == subject


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time


def test_the_local_share_is_small_refills_and_is_all_or_nothing() -> None:
    clock = Hand()
    share = MemoryShare(clock, 200)
    wanted = [(("acme", "ub", "ada"), MINUTE, 1)]
    assert [share.take(wanted)[0].fits for _ in range(4)] == [True, True, True, False]
    both = [(("acme", "ub", "bob"), MINUTE, 1), *wanted]
    assert [s.fits for s in share.take(both)] == [True, False]
    clock.time += 20
    assert [s.fits for s in share.take(both)] == [True, True]
    assert share.take(both)[0].remaining == 1
    assert share.take([(("acme", "ub", "eve"), MINUTE, 9)])[0].never


@pytest.mark.parametrize(
    ("name", "seconds"), [("api_key.requests.day", 86_400), ("api_key.requests.month", 31 * 86_400)]
)
def test_the_local_share_of_a_calendar_lasts_as_long_as_its_window(name: str, seconds: int) -> None:
    clock, limit = Hand(), LIMITS[name]
    share = MemoryShare(clock, 100)
    whole = [(("acme", "key"), limit, limit.limit // 10)]
    assert share.take(whole)[0].fits
    clock.time += seconds - 1
    assert not share.take(whole)[0].fits
    clock.time += 1
    assert share.take(whole)[0].fits


def test_the_local_share_forgets_rather_than_grows() -> None:
    share = MemoryShare(Hand(), 100, entries=3)
    for user in "abcde":
        share.take([((user,), MINUTE, 1)])
    assert len(share._full_at) == 3


class Gone:
    """A store that is away."""

    async def decide(self, ask: Ask) -> Answer:
        raise Unavailable("redis")

    async def commit(self, reservation: Reservation, use: Use) -> tuple[Settled, int]:
        raise Unavailable("redis")

    async def release(self, reservation: Reservation, *, keep_requests: bool) -> Settled:
        raise Unavailable("redis")

    async def extend(self, reservation: Reservation, more: Addition, limits: Any) -> Answer | None:
        raise Unavailable("redis")


class Says(Gone):
    """A store that gives one answer to everything."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer = answer

    async def decide(self, ask: Ask) -> Answer:
        assert self.answer is not None
        return self.answer

    async def extend(self, reservation: Reservation, more: Addition, limits: Any) -> Answer | None:
        return self.answer


def limiter(store: Any, document: Any = None) -> Limiter:
    return Limiter(store, MemoryShare(Hand(), 100), parse_policy(document or DOCUMENT))


def asked(mode: Mode = Mode.TAKE, tokens: int = 0, model: str = "") -> Request:
    return Request(mode, "request-1", 1, tokens, 0, model)


@pytest.mark.parametrize("request_", [asked(Mode.RESERVE), asked(tokens=1), asked(Mode.PEEK), asked(Mode.RESERVE, 5)])
async def test_without_a_store_budgets_are_closed(request_: Request) -> None:
    with pytest.raises(Unavailable):
        await limiter(Gone()).decide(ME, "gateway", request_)


async def test_without_a_store_rates_give_a_marked_share() -> None:
    one = limiter(Gone())
    decisions = [await one.decide(ME, "gateway", asked()) for _ in range(2)]
    assert [(d.outcome, d.degraded) for d in decisions] == [(Outcome.ALLOW, True), (Outcome.THROTTLE, True)]
    assert (await one.decide_address("192.0.2.1")).degraded


async def test_an_open_limit_lets_pass_and_says_so() -> None:
    document = parse_policy(DOCUMENT)
    opened = document.model_copy(
        update={"limits": [rule.model_copy(update={"on_store_error": OnStoreError.OPEN}) for rule in document.limits]}
    )
    decision: Decision = await Limiter(Gone(), MemoryShare(Hand(), 1), opened).decide(ME, "gateway", asked(tokens=5))
    assert (decision.outcome, decision.degraded, decision.expires_us) == (Outcome.ALLOW, True, 0)


async def test_an_unknown_model_is_refused_when_the_policy_says_so() -> None:
    one = limiter(Gone(), changed("prices/unknown_model", "deny"))
    decision = await one.decide(ME, "gateway", asked(Mode.RESERVE, 5, "unheard-of"))
    assert (decision.outcome, decision.reason) == (Outcome.DENY, Reason.UNKNOWN_MODEL)


async def test_a_store_that_contradicts_itself_is_not_believed() -> None:
    with pytest.raises(Unavailable):
        await limiter(Says(Answer(Status.REFUSED, (), 1))).decide(ME, "gateway", asked())
    with pytest.raises(Unavailable):
        refusing = Answer(Status.ALLOWED, (standing(MINUTE, wait=5),), 1)
        await limiter(Says(refusing)).decide(ME, "gateway", asked())
    with pytest.raises(FailedPrecondition):
        await limiter(Says(Answer(Status.SPENT, (), 1))).decide(ME, "gateway", asked())
    with pytest.raises(NotFound):
        mine = Reservation("acme", "request-1", "gateway")
        await limiter(Says(None)).extend(ME, mine, Addition(Use(0, 1, 0, None), 0), "")


def test_a_burst_may_differ_from_the_rate() -> None:
    document = changed("limits/1/burst", {"free": 2, "pro": 20, "enterprise": 200})
    limit = limits_of("pro", document=document)["api_key.requests.minute"]
    assert (limit.limit, limit.capacity, limit.interval_us) == (100, 20, 600_000)


def test_compiled_limits_are_computed_once() -> None:
    compiler = Compiler(parse_policy(DOCUMENT))
    assert compiler.tenant(ME) is compiler.tenant(replace(ME, user="bob", organisation="globex"))
    units = {limit.unit for group in compiler.tenant(ME) for limit in group.limits}
    assert units == set(Unit) - {Unit.CONCURRENCY}
