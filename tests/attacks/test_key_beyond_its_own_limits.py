"""A key with limits of its own asks for more; another one brings along a limit wider than its plan's."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub

from tests.support.backend import DEADLINE, Backend, allowed, by_key, fresh, said, status_of

REQUESTS, TOKENS = auth.KEY_LIMIT_UNIT_REQUESTS, auth.KEY_LIMIT_UNIT_TOKENS


async def somebody(backend: Backend) -> str:
    """A member with nobody else's messages on the account."""
    name = fresh("user")
    await backend.member(name)
    return name


async def key_with(backend: Backend, *own: auth.KeyLimit) -> str:
    request = auth.CreateApiKeyRequest(subject=await somebody(backend), scopes=["chat"], limits=own)
    stub = AuthServiceStub(backend.channel("auth"))
    answer = await stub.CreateApiKey(request, timeout=DEADLINE, metadata=await backend.administer())
    assert list(answer.key.limits) == list(own)
    return str(answer.api_key)


async def standing(backend: Backend, key: str) -> dict[str, limits.LimitStatus]:
    stub = RateLimitServiceStub(backend.channel("ratelimit"))
    metadata = await backend.proof(by_key(key))
    answer = await stub.Inspect(limits.InspectRequest(), timeout=DEADLINE, metadata=metadata)
    return {status.id: status for status in answer.limits}


async def test_the_limit_holds_also_against_a_crowd(backend: Backend) -> None:
    key = await key_with(backend, auth.KeyLimit(unit=REQUESTS, amount=3, seconds=3600))
    answers = await asyncio.gather(*(backend.admit(by_key(key)) for _ in range(8)))
    assert sum(map(allowed, answers)) == 3
    assert {said(answer) for answer in answers if not allowed(answer)} == {"THROTTLE RATE_LIMITED by ratelimit"}
    assert (await standing(backend, key))["key.requests.3600"].remaining == 0


async def test_tokens_are_limited_as_well(backend: Backend) -> None:
    key = await key_with(backend, auth.KeyLimit(unit=TOKENS, amount=100, seconds=60))
    small, large = (pb.Estimate(model="self-hosted", output_tokens=n) for n in (10, 200))
    assert allowed(await backend.admit(by_key(key), estimate=small))
    assert not allowed(await backend.admit(by_key(key), estimate=large))


async def test_a_wider_limit_widens_nothing(backend: Backend) -> None:
    plain = await standing(backend, await key_with(backend))
    wide = await key_with(backend, auth.KeyLimit(unit=REQUESTS, amount=1_000_000, seconds=60))
    both = await standing(backend, wide)
    assert set(both) - set(plain) == {"key.requests.60"}
    assert {name: both[name].limit for name in plain} == {name: plain[name].limit for name in plain}


@pytest.mark.parametrize(
    "own",
    [
        [auth.KeyLimit(unit=0, amount=1, seconds=60)],  # type: ignore[arg-type]
        [auth.KeyLimit(unit=REQUESTS, amount=0, seconds=60)],
        [auth.KeyLimit(unit=REQUESTS, amount=1, seconds=0)],
        [auth.KeyLimit(unit=REQUESTS, amount=1, seconds=60)] * 2,
        [auth.KeyLimit(unit=REQUESTS, amount=1, seconds=60 + n) for n in range(9)],
    ],
)
async def test_what_is_no_limit_makes_no_key(backend: Backend, own: list[auth.KeyLimit]) -> None:
    request = auth.CreateApiKeyRequest(subject=await somebody(backend), scopes=["chat"], limits=own)
    stub = AuthServiceStub(backend.channel("auth"))
    call = stub.CreateApiKey(request, timeout=DEADLINE, metadata=await backend.administer())
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT
