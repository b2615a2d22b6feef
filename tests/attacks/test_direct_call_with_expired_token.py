"""Somebody kept a token, auth's own signature and all, and comes back after its minute."""

from __future__ import annotations

import time

import grpc
import pytest

from embedded.stack import Stack
from tests.attacks.forge import Forge
from tests.attacks.rpcs import SERVED_TENANT, Rpc, call


@pytest.mark.parametrize("rpc", SERVED_TENANT, ids=str)
async def test_it_is_refused(target: Stack, forge: Forge, rpc: Rpc) -> None:
    for token in (
        forge.resigned(exp=int(time.time())),
        forge.resigned(exp=int(time.time()) - 1, iat=int(time.time()) - 61),
        forge.resigned(exp=0),
        forge.resigned(exp="9999999999x"),
    ):
        answer = await call(target.channel(rpc.area, rpc.insider()), rpc, [token])
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED
        assert token[:40] not in answer.words
