"""A token whose every word is right and whose signature is somebody else's."""

from __future__ import annotations

import grpc
import pytest

from embedded.stack import Stack
from tests.attacks.forge import Forge
from tests.attacks.rpcs import SERVED_TENANT, Rpc, call


@pytest.mark.parametrize("rpc", SERVED_TENANT, ids=str)
async def test_it_is_refused(target: Stack, forge: Forge, rpc: Rpc) -> None:
    for token in (
        forge.of_another_key(),
        forge.of_another_key(kid="unknown"),
        forge.unsigned(),
        forge.signed_with_the_public_key(),
        forge.genuine[:-6] + "AAAAAA",
    ):
        answer = await call(target.channel(rpc.area, rpc.insider()), rpc, [token])
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED
        assert token[:40] not in answer.words
