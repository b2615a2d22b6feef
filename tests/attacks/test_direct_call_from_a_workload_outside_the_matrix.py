"""Every kind of workload calls every RPC of the contract: only the pairs that the contract names get any further."""

from __future__ import annotations

import grpc
import pytest

from embedded.stack import Stack
from tests.attacks.forge import Forge
from tests.attacks.rpcs import ALL, SERVED, SERVED_AREAS, Answer, Rpc, call

# What follows the kind must not matter, so some carry more than one segment.
WORKLOADS = (
    "gateway",
    "auth",
    "tenancy",
    "ratelimit",
    "redaction",
    "guardrail",
    "context-token",
    "audit",
    "backend/demo",
    "operator",
    "envoy/edge",
    "stranger",
    "gateways",
    "x/gateway",
)


def expect(rpc: Rpc, workload: str, answer: Answer) -> None:
    refused = answer.code is grpc.StatusCode.PERMISSION_DENIED and answer.reason == "WORKLOAD_NOT_ALLOWED"
    inside = rpc.is_anonymous or workload.partition("/")[0] in rpc.rule.workloads
    assert refused is not inside, f"{workload} -> {rpc}: {answer.code.name} {answer.reason}"
    if inside and rpc.is_tenant:
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED  # the matrix alone opens no tenant's door


@pytest.mark.parametrize("workload", WORKLOADS)
async def test_over_mtls_against_the_services(target: Stack, workload: str) -> None:
    for rpc in SERVED:
        expect(rpc, workload, await call(target.channel(rpc.area, workload), rpc))


@pytest.mark.parametrize("workload", WORKLOADS)
async def test_without_a_socket_against_the_services(target: Stack, workload: str) -> None:
    for rpc in SERVED:
        expect(rpc, workload, await call(target.inprocess(rpc.area, workload), rpc))


async def test_a_genuine_token_opens_no_door_of_the_matrix(target: Stack, forge: Forge) -> None:
    for rpc in SERVED:
        for workload in WORKLOADS:
            if rpc.is_anonymous or workload.partition("/")[0] in rpc.rule.workloads:
                continue
            answer = await call(target.inprocess(rpc.area, workload), rpc, [forge.resigned(req_wl=workload)])
            assert (answer.code, answer.reason) == (grpc.StatusCode.PERMISSION_DENIED, "WORKLOAD_NOT_ALLOWED")


def test_every_area_is_served() -> None:
    """Then the tests above leave none out."""
    assert {rpc.area for rpc in ALL} == set(SERVED_AREAS)
