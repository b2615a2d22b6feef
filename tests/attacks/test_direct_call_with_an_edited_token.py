"""A genuine token, edited: another organisation, more scopes, a longer life, another holder."""

from __future__ import annotations

import grpc
import pytest

from embedded.stack import Stack
from tests.attacks.forge import Forge
from tests.attacks.rpcs import SERVED_TENANT, Rpc, call


@pytest.mark.parametrize("rpc", SERVED_TENANT, ids=str)
async def test_it_is_refused(target: Stack, forge: Forge, rpc: Rpc) -> None:
    for token in (
        forge.edited(tenant="globex"),
        forge.edited(scope="restore settle signal grant reset keys.manage"),
        forge.edited(exp=9_999_999_999),
        forge.edited(req_wl="gateway"),
        forge.edited(sub="gus"),
    ):
        answer = await call(target.channel(rpc.area, rpc.insider()), rpc, [token])
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED
        assert token[:40] not in answer.words
