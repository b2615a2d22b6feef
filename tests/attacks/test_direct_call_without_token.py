"""A product backend calls a service behind the gateway directly, with its certificate and no token."""

from __future__ import annotations

import grpc
import pytest

from embedded.stack import Stack
from tests.attacks.forge import Forge
from tests.attacks.rpcs import BACKEND, SERVED, SERVED_TENANT, Rpc, call


def test_there_is_something_to_attack() -> None:
    assert {rpc.area for rpc in SERVED_TENANT} >= {"auth", "tenancy", "ratelimit", "redaction"}


@pytest.mark.parametrize("rpc", SERVED_TENANT, ids=str)
async def test_it_is_refused(target: Stack, rpc: Rpc) -> None:
    for tokens in ([], [""]):
        answer = await call(target.channel(rpc.area, rpc.insider()), rpc, tokens)
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED


async def test_the_genuine_token_would_have_been_let_in(target: Stack, forge: Forge) -> None:
    (rpc,) = [rpc for rpc in SERVED if str(rpc) == "tenancy.ListBrands"]
    for token in (forge.genuine, forge.resigned()):
        answer = await call(target.channel("tenancy", BACKEND), rpc, [token])
        assert answer.code is grpc.StatusCode.OK, "else the refusals of this folder would prove nothing"


@pytest.mark.parametrize("rpc", SERVED_TENANT, ids=str)
async def test_two_tokens_are_as_good_as_none(target: Stack, forge: Forge, rpc: Rpc) -> None:
    answer = await call(target.channel(rpc.area, rpc.insider()), rpc, [forge.genuine, forge.genuine])
    assert answer.code is grpc.StatusCode.UNAUTHENTICATED
