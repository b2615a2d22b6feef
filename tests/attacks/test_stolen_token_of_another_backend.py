"""A product backend got hold of another backend's live token: it is worth nothing under its own certificate."""

from __future__ import annotations

import grpc
import pytest

from embedded.stack import Stack
from tests.attacks.forge import Forge
from tests.attacks.rpcs import SERVED_TENANT, Rpc, call

FOR_BACKENDS = [rpc for rpc in SERVED_TENANT if "backend" in rpc.rule.workloads]
THIEVES = ("backend/thief", "backend/demo2", "backend", "backend/demo/x")


@pytest.mark.parametrize("rpc", FOR_BACKENDS, ids=str)
async def test_it_is_refused(target: Stack, forge: Forge, rpc: Rpc) -> None:
    assert forge.claims["req_wl"] == "backend/demo"
    for thief in THIEVES:
        answer = await call(target.channel(rpc.area, thief), rpc, [forge.genuine])
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED


async def test_without_a_socket_as_well(target: Stack, forge: Forge) -> None:
    for rpc in FOR_BACKENDS:
        answer = await call(target.inprocess(rpc.area, "backend/thief"), rpc, [forge.genuine])
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED
