"""What the limits promise, as a product sees it at the gateway: by who asks, by model, by what answers usually need,
and while an answer streams."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest_asyncio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, FREE, Backend, allowed, fresh, said
from tests.support.penalties import inspected, operator
from tests.support.waiting import eventually

HOUR, TOKENS, MONEY = "user_brand.messages.hour", "user_brand.tokens.day", "organisation.money.day"
PIECE = "A sentence of about forty characters, no more. " * 10


@pytest_asyncio.fixture(loop_scope="session")
async def backend(stack: Stack) -> Backend:
    return Backend(stack)


def shown(answer: pb.AdmitResponse, limit_id: str) -> limits.LimitStatus:
    return next(status for status in answer.limits if status.id == limit_id)


def zone_in(*hours: int) -> str:
    """A zone in which it is one of these hours for some time yet."""
    for east in range(-12, 13):
        there = datetime.now(UTC) + timedelta(hours=east)
        if there.hour in hours:
            return f"Etc/GMT{-east:+d}" if east else "UTC"
    raise AssertionError("it is always some hour somewhere")


async def brand_in(backend: Backend, zone: str) -> str:
    made = tenancy.Brand(brand=fresh("brand"), display_name="Somewhere", zone=zone)
    await TenancyServiceStub(backend.channel("tenancy")).PutBrand(
        tenancy.PutBrandRequest(brand=made), timeout=DEADLINE, metadata=await backend.administer()
    )
    return str(made.brand)


async def test_messages_per_hour_follow_the_brands_clock_the_accounts_age_and_its_score(backend: Backend) -> None:
    noon, night = zone_in(11, 12, 13), zone_in(1, 2, 3)
    by_day, by_night = await brand_in(backend, noon), await brand_in(backend, night)
    name = fresh("ada")
    ada = await backend.member(name, brands=[by_day, by_night])
    working = datetime.now(ZoneInfo(noon)).isoweekday() <= 5
    assert shown(await backend.admit(ada, brand=by_day), HOUR).limit == (200 if working else 100)
    assert shown(await backend.admit(ada, brand=by_night), HOUR).limit == 100
    # The same for somebody who has been here for 91 days, and whose score is low.
    old = fresh("olga")
    olga = await backend.member(old, brands=[by_night])
    with psycopg.connect(backend.stack.stores.postgres.admin_dsn, autocommit=True) as admin:
        admin.execute("UPDATE tenancy.members SET joined_at = now() - interval '91 days' WHERE user_id = %s", [old])
    assert shown(await backend.admit(olga, brand=by_night), HOUR).limit == 500
    gateway = RateLimitServiceStub(backend.stack.channel("ratelimit", "gateway"))
    for _ in range(2):
        report = limits.SignalRequest(kind="injection", event_id=fresh("event"))
        await gateway.Signal(report, timeout=DEADLINE, metadata=await backend.proof(olga, by_night))
    after = await backend.admit(olga, brand=by_night)
    assert shown(after, HOUR).limit == 100
    # She is warned, and her product can tell her.
    assert (after.penalty.subject, after.penalty.level) == ("user_brand", limits.PENALTY_LEVEL_WARN)


async def spent(backend: Backend, who: auth.Credential, model: str) -> int:
    """Micro-USD that one request of 100 tokens takes from the budget."""
    left = [
        shown(await backend.admit(who, "Hello", estimate=estimate), MONEY).remaining
        for estimate in (FREE, pb.Estimate(model=model, input_tokens=100, output_tokens=100))
    ]
    return left[0] - left[1]


async def test_an_unknown_model_costs_as_much_as_the_dearest_and_a_free_one_nothing(backend: Backend) -> None:
    who = await backend.member(fresh("ada"))
    assert await spent(backend, who, "self-hosted") == 0
    assert await spent(backend, who, "claude-opus") == 100 * 15 + 100 * 75
    assert await spent(backend, who, fresh("no-such-model")) == 100 * 15 + 100 * 75


async def test_what_answers_usually_need_is_reserved_and_no_more(backend: Backend) -> None:
    model = "gemini-2.5-flash"
    estimate = pb.Estimate(model=model, input_tokens=10, output_tokens=4000)
    newcomer = await backend.member(fresh("ada"))
    first = shown(await backend.admit(newcomer, estimate=estimate), TOKENS)
    assert first.limit - first.remaining == 4010
    # The gateway settles 36 answers of fifty tokens each.
    gateway = RateLimitServiceStub(backend.stack.channel("ratelimit", "gateway"))
    for start in range(0, 36, 12):
        proof = await backend.proof(await backend.member(fresh("bob")))
        for number in range(start, start + 12):
            name, cost = fresh(f"request-{number}"), limits.Cost(requests=1, output_tokens=50, model=model)
            asked = limits.DecideRequest(mode=limits.MODE_RESERVE, request_id=name, cost=cost)
            assert allowed(await gateway.Decide(asked, timeout=DEADLINE, metadata=proof))
            used = limits.CommitRequest(reservation=name, used=cost)
            await gateway.Commit(used, timeout=DEADLINE, metadata=proof)
    second = shown(await backend.admit(await backend.member(fresh("eve")), estimate=estimate), TOKENS)
    assert 60 <= second.limit - second.remaining <= 100


async def test_a_stream_that_reaches_the_cap_is_stopped_and_settled_at_what_it_used(backend: Backend) -> None:
    own = backend.stack.other
    who = await backend.member(fresh("ada"), own)
    grant = limits.GrantRequest(organisation=own.organisation, limit_id=TOKENS, limit=800, reason_code="test.1")
    grant.ttl.FromSeconds(60)
    await operator(backend).Grant(grant, timeout=DEADLINE)
    try:
        answer = await backend.admit(who, brand=own.brand)
        assert shown(answer, TOKENS).limit == 800
        text, result = await backend.stream(answer.admission, [PIECE] * 20)
        assert said(result) == "THROTTLE BUDGET_EXHAUSTED"
        assert [v.stage for v in result.verdicts if v.outcome == common.OUTCOME_THROTTLE] == ["ratelimit"]
        assert (PIECE * 20).startswith(text)
        assert 0 < len(text) < len(PIECE * 20)
        # What was streamed is charged, and nothing stays reserved beyond it.
        refused = await backend.admit(
            who, brand=own.brand, estimate=pb.Estimate(model="self-hosted", output_tokens=700)
        )
        assert said(refused) == "THROTTLE BUDGET_EXHAUSTED by ratelimit"
        assert 0 < shown(refused, TOKENS).remaining < 800
    finally:
        grant.limit = 50_000
        grant.ttl.FromSeconds(1)
        await operator(backend).Grant(grant, timeout=DEADLINE)

        async def over() -> bool:
            return not (await inspected(backend, who)).grants

        assert await eventually(over, 5.0)


async def test_a_limit_says_all_that_failed_and_when_to_come_back(backend: Backend) -> None:
    who = await backend.member(fresh("ada"))
    for _ in range(15):
        assert allowed(await backend.admit(who))
    refused = await backend.admit(who, estimate=pb.Estimate(model="self-hosted", output_tokens=49_900))
    failing = {status.id: status for status in refused.limits if status.outcome != common.OUTCOME_ALLOW}
    assert set(failing) == {"user_brand.messages.minute", TOKENS}
    waits = [status.retry_after.ToTimedelta().total_seconds() for status in failing.values()]
    assert max(waits) <= refused.retry_after.ToTimedelta().total_seconds()
    too_large = await backend.admit(who, estimate=pb.Estimate(model="self-hosted", output_tokens=60_000))
    assert said(too_large) == "DENY NEVER_FITS by ratelimit"
    assert not too_large.HasField("retry_after")
