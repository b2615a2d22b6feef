"""An operator raises a limit for a while, sets a counter to zero, forgives; all on record, unknown ids named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub

from embedded.stack import Stack
from services.kit.channels import violations_in
from tests.support.backend import DEADLINE, Backend, allowed, fresh, said
from tests.support.penalties import held_against, inspected, operator
from tests.support.waiting import eventually

MINUTE = "user_brand.messages.minute"


@pytest_asyncio.fixture(loop_scope="session")
async def backend(stack: Stack) -> Backend:
    return Backend(stack)


def grant(organisation: str, limit_id: str, amount: int, seconds: int) -> pb.GrantRequest:
    request = pb.GrantRequest(organisation=organisation, limit_id=limit_id, limit=amount, reason_code="launch.4711")
    request.ttl.FromSeconds(seconds)
    return request


async def limit_of(backend: Backend, who: Any, limit_id: str) -> int:
    return next(status.limit for status in (await inspected(backend, who)).limits if status.id == limit_id)


async def test_a_grant_holds_and_ends_by_itself(backend: Backend) -> None:
    own = backend.stack.other
    who = await backend.member(fresh("ada"), own)
    before = await limit_of(backend, who, MINUTE)
    answer = await operator(backend).Grant(grant(own.organisation, MINUTE, 40, 5), timeout=DEADLINE)
    assert answer.granted.limit == 40
    ends = answer.granted.expires_at.ToDatetime(UTC)
    assert timedelta(0) < ends - datetime.now(UTC) <= timedelta(seconds=6)
    shown = await inspected(backend, who)
    assert [(one.limit_id, one.limit) for one in shown.grants] == [(MINUTE, 40)]
    assert await limit_of(backend, who, MINUTE) == 40
    # Another organisation has none of it.
    assert await limit_of(backend, await backend.member(fresh("eve")), MINUTE) == before

    async def over() -> bool:
        return await limit_of(backend, who, MINUTE) == before

    assert await eventually(over, 8.0)


async def test_a_limit_can_be_lowered_as_well(backend: Backend) -> None:
    own = backend.stack.other
    who = await backend.member(fresh("ada"), own)
    await operator(backend).Grant(grant(own.organisation, MINUTE, 2, 60), timeout=DEADLINE)
    try:
        heard = [allowed(await backend.admit(who, brand=own.brand)) for _ in range(3)]
        assert heard == [True, True, False]
    finally:
        await operator(backend).Grant(grant(own.organisation, MINUTE, 15, 1), timeout=DEADLINE)


@pytest.mark.parametrize(
    ("request_", "field", "word"),
    [
        (grant("acme", "user_brand.massages.minute", 5, 60), "limit_id", "user_brand.massages.minute"),
        (grant("acme", "address.requests.minute", 5, 60), "limit_id", "address.requests.minute"),
        (grant("acme", MINUTE, 0, 60), "limit", MINUTE),
        (grant("acme", MINUTE, 5, 91 * 86_400), "ttl", ""),
        (grant("acme", MINUTE, 5, 0), "ttl", ""),
        (grant("acme", MINUTE, -1, 60), "limit", ""),
        (pb.ResetRequest(organisation="acme", limit_id="no.such.limit"), "limit_id", "no.such.limit"),
        (pb.ResetRequest(organisation="acme", limit_id=MINUTE), "brand", ""),
        (pb.ResetRequest(organisation="acme", limit_id=MINUTE, brand="acme-chat"), "user", ""),
        (pb.ResetRequest(organisation="acme"), "limit_id", ""),
        (pb.ResetRequest(organisation="acme", penalty=True), "penalty", ""),
        (pb.ResetRequest(penalty=True, user="ada", brand="acme-chat"), "organisation", ""),
        (pb.ResetRequest(organisation="acme", limit_id="key.requests.60"), "api_key_id", "key.requests.60"),
    ],
)
async def test_what_cannot_be_done_is_named(backend: Backend, request_: Any, field: str, word: str) -> None:
    stub = operator(backend)
    call = stub.Grant if isinstance(request_, pb.GrantRequest) else stub.Reset
    with pytest.raises(aio.AioRpcError) as caught:
        await call(request_, timeout=DEADLINE)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    violations = violations_in(caught.value)
    assert field in {violation.field.split(".")[0] for violation in violations}
    assert word in " ".join(violation.rule for violation in violations)


async def test_a_reset_gives_a_user_the_minute_back(backend: Backend) -> None:
    name, own = fresh("ada"), backend.stack.main
    who = await backend.member(name)
    for _ in range(15):
        assert allowed(await backend.admit(who))
    assert said(await backend.admit(who)) == "THROTTLE RATE_LIMITED by ratelimit"
    request = pb.ResetRequest(organisation=own.organisation, limit_id=MINUTE, brand=own.brand, user=name)
    done = await operator(backend).Reset(request, timeout=DEADLINE)
    assert [(one.limit_id, one.used_before) for one in done.limits] == [(MINUTE, 15)]
    assert allowed(await backend.admit(who))
    assert await _on_record(backend, "ratelimit.subject_reset", name)


async def test_forgiving_wipes_what_is_held_and_says_what_it_was(backend: Backend) -> None:
    name, own = fresh("eve"), backend.stack.main
    eve = await backend.member(name)
    gateway = RateLimitServiceStub(backend.stack.channel("ratelimit", "gateway"))
    proof = await backend.proof(eve)
    for number in range(10):
        report = pb.SignalRequest(kind="leak", event_id=f"{name}/{number}")
        await gateway.Signal(report, timeout=DEADLINE, metadata=proof)
    assert said(await backend.admit(eve)) == "DENY PENALISED by ratelimit"
    request = pb.ResetRequest(organisation=own.organisation, brand=own.brand, user=name, penalty=True)
    done = await operator(backend).Reset(request, timeout=DEADLINE)
    (was,) = done.penalties
    assert (was.subject, was.level, was.strikes) == ("user_brand", pb.PENALTY_LEVEL_SUSPEND, 1)
    assert [(count.kind, count.count) for count in was.counts] == [("leak", 10)]
    assert await held_against(backend, eve) == {}
    assert allowed(await backend.admit(eve))
    again = await operator(backend).Reset(request, timeout=DEADLINE)
    assert (list(again.limits), list(again.penalties)) == ([], [])


async def test_a_suspended_address_is_forgiven(backend: Backend) -> None:
    address = "203.0.113.201"
    auth = RateLimitServiceStub(backend.stack.channel("ratelimit", "auth"))
    for number in range(70):
        report = pb.SignalAddressRequest(
            kind="auth_failed", event_id=f"{address}/{number}", client_address=address, key_prefix="0123456789abcdef"
        )
        answer = await auth.SignalAddress(report, timeout=DEADLINE)
    assert {one.subject for one in answer.penalties} == {"address", "key_prefix"}
    who = await backend.member(fresh("ada"))
    assert said(await backend.admit(who, client_address=address)) == "DENY PENALISED by address"
    done = await operator(backend).Reset(pb.ResetRequest(client_address=address, penalty=True), timeout=DEADLINE)
    assert [one.subject for one in done.penalties] == ["address"]
    assert allowed(await backend.admit(who, client_address=address))


async def test_every_answer_carries_the_fields_for_http(backend: Backend) -> None:
    from tests.support.structured import read_list

    who = await backend.member(fresh("ada"))
    answer = await backend.admit(who)
    policy, left = (read_list(answer.header_fields[name]) for name in ("RateLimit-Policy", "RateLimit"))
    shown = {status.id: status for status in answer.limits if not status.observed}
    assert [item.value for item in policy] == [item.value for item in left] == list(shown)
    assert all(item.parameters["q"] == shown[str(item.value)].limit for item in policy)
    assert all(item.parameters["r"] == shown[str(item.value)].remaining for item in left)
    assert "Retry-After" not in answer.header_fields


async def _on_record(backend: Backend, code: str, user: str) -> bool:
    stub, own = AuditServiceStub(backend.channel("audit")), await backend.administer()

    since = audit.QueryRequest(page_size=200)
    since.from_time.FromDatetime(datetime.now(UTC) - timedelta(minutes=1))

    async def found() -> bool:
        answer = await stub.Query(since, timeout=DEADLINE, metadata=own)
        return any(event.code == code and event.facts.get("user") == user for event in answer.events)

    return await eventually(found, 8.0)
