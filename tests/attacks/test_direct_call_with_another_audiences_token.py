"""A token that auth signed for another trust domain or another purpose."""

from __future__ import annotations

import grpc
import pytest

from embedded.stack import Stack
from tests.attacks.forge import Forge
from tests.attacks.rpcs import SERVED_TENANT, Rpc, call


@pytest.mark.parametrize("rpc", SERVED_TENANT, ids=str)
async def test_it_is_refused(target: Stack, forge: Forge, rpc: Rpc) -> None:
    for token in (
        forge.resigned(aud="elsewhere.local"),
        forge.resigned(aud=""),
        forge.resigned(aud=[forge.claims["aud"], "elsewhere.local"]),
        forge.resigned(iss="https://auth.elsewhere.local"),
        forge.resigned({"typ": "ctx+jwt"}),
        forge.resigned({"typ": "JWT"}),
        forge.resigned({"typ": "at+jwt"}),
    ):
        answer = await call(target.channel(rpc.area, rpc.insider()), rpc, [token])
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED
        assert token[:40] not in answer.words
