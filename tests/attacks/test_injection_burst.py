"""Somebody tries one injection after another: each weighs, they are slowed, limited and suspended; nobody else is."""

from __future__ import annotations

import time

from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub

from tests.support.backend import DEADLINE, Backend, allowed, fresh, said
from tests.support.penalties import INJECTION, held_against, until_held

HARMLESS = "What are your opening hours?"


async def test_a_burst_is_cut_short_and_it_is_that_user_alone(backend: Backend) -> None:
    eve, ada = await backend.member(fresh("eve")), await backend.member(fresh("ada"))
    heard = [said(await backend.admit(eve, INJECTION)) for _ in range(30)]
    assert set(heard) == {"DENY INJECTION by guardrail", "THROTTLE RATE_LIMITED by ratelimit"}
    # Fifteen messages a minute are everybody's; who is slowed or limited has fewer.
    assert heard.count("DENY INJECTION by guardrail") <= 12
    found = await until_held(
        backend, eve, lambda held: "user_brand" in held and held["user_brand"].level >= pb.PENALTY_LEVEL_SLOW
    )
    counts = {count.kind: count.count for count in found["user_brand"].counts}
    assert set(counts) == {"injection"}
    assert counts["injection"] <= heard.count("DENY INJECTION by guardrail")
    assert said(await backend.admit(eve, HARMLESS)) == "THROTTLE RATE_LIMITED by ratelimit"
    # A colleague of the same organisation and brand notices nothing.
    assert allowed(await backend.admit(ada, HARMLESS))
    assert await held_against(backend, ada) == {}


async def test_who_goes_on_is_suspended_for_a_time(backend: Backend) -> None:
    eve, ada = await backend.member(fresh("eve")), await backend.member(fresh("ada"))
    # As the gateway does it: with the token of the request that it has just decided.
    gateway, proof = RateLimitServiceStub(backend.stack.channel("ratelimit", "gateway")), await backend.proof(eve)
    for number in range(10):
        report = pb.SignalRequest(kind="injection", event_id=f"{fresh('event')}/{number}")
        answer = await gateway.Signal(report, timeout=DEADLINE, metadata=proof)
    assert answer.penalties[0].level == pb.PENALTY_LEVEL_SUSPEND
    refused = await backend.admit(eve, HARMLESS)
    assert said(refused) == "DENY PENALISED by ratelimit"
    # No limit to wait for, so no client tries again by itself; when it ends is said, to program and user.
    assert not refused.HasField("retry_after")
    assert "Retry-After" not in refused.header_fields
    assert (refused.penalty.subject, refused.penalty.level) == ("user_brand", pb.PENALTY_LEVEL_SUSPEND)
    assert 14 * 60 <= refused.penalty.until.seconds - time.time() <= 15 * 60
    assert "15 minutes" in refused.safe_reply.text
    (held,) = (await held_against(backend, eve)).values()
    assert (held.level, held.strikes) == (pb.PENALTY_LEVEL_SUSPEND, 1)
    assert held.until.seconds > 0
    assert allowed(await backend.admit(ada, HARMLESS))
