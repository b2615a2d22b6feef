"""The same admission is completed again and again: the reservation is settled once, and nothing is given back."""

from __future__ import annotations

import asyncio

from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub

from tests.support.backend import DEADLINE, Backend, Metadata, allowed, fresh

TOKENS = "user_brand.tokens.day"


async def left(backend: Backend, own: Metadata) -> int:
    stub = RateLimitServiceStub(backend.channel("ratelimit"))
    answer = await stub.Inspect(limits.InspectRequest(), timeout=DEADLINE, metadata=own)
    return next(int(limit.remaining) for limit in answer.limits if limit.id == TOKENS)


async def test_charged_once(backend: Backend) -> None:
    user = await backend.member(fresh("repeater"))
    own = await backend.proof(user)
    before = await left(backend, own)
    estimate = pb.Estimate(model="self-hosted", input_tokens=100, output_tokens=4000)
    admission = await backend.admitted(user, estimate=estimate)

    first = await backend.complete(admission, "Hi.", input_tokens=100, output_tokens=500)
    charged = before - await left(backend, own)
    again = await backend.complete(admission, "Hi.", input_tokens=100, output_tokens=1)
    more = await backend.complete(admission, "Hi.", input_tokens=100, output_tokens=9000)

    assert (first.settlement, again.settlement) == (limits.SETTLEMENT_APPLIED, limits.SETTLEMENT_ALREADY)
    assert more.settlement == limits.SETTLEMENT_ALREADY
    assert charged == 600
    assert before - await left(backend, own) == charged
    assert first.text == again.text == "Hi."


async def test_a_race_settles_once(backend: Backend) -> None:
    user = await backend.member(fresh("repeater"))
    own = await backend.proof(user)
    before = await left(backend, own)
    admission = await backend.admitted(user)
    answers = await asyncio.gather(*(backend.complete(admission, "Hi.", output_tokens=40) for _ in range(12)))
    assert [a.settlement for a in answers].count(limits.SETTLEMENT_APPLIED) == 1
    assert all(allowed(answer) for answer in answers)
    assert 0 < before - await left(backend, own) <= 60


async def test_an_understated_use_is_counted_by_ourselves(backend: Backend) -> None:
    user = await backend.member(fresh("understater"))
    own = await backend.proof(user)
    before = await left(backend, own)
    admission = await backend.admitted(user, "Hello")
    await backend.complete(admission, "word " * 2000, input_tokens=0, output_tokens=0)
    assert before - await left(backend, own) >= 2000
