"""Every kind of workload calls every RPC of the contract: only the pairs that the contract names get any further."""

from __future__ import annotations

import importlib
from typing import Any

import grpc
import pytest

from embedded.layout import TRUST_DOMAIN
from embedded.stack import Stack
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.server import App, Mount, interceptor_of
from services.kit.settings import ServiceSettings
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


def _unserved(area: str) -> InProcessServer:
    """The contract's own "not implemented" behind the layers of every service."""
    messages: Any = importlib.import_module(f"hauberk.{area}.v1.{area}_service_pb2")
    stubs: Any = importlib.import_module(f"hauberk.{area}.v1.{area}_service_pb2_grpc")
    mounts = []
    for name, descriptor in messages.DESCRIPTOR.services_by_name.items():
        mounts.append(
            Mount(getattr(stubs, f"{name}Servicer")(), getattr(stubs, f"add_{name}Servicer_to_server"), descriptor)
        )
    app = App(area, mounts)
    server = InProcessServer(interceptor_of(app, ServiceSettings.model_validate({}), None))
    for mount in mounts:
        mount.add_to_server(mount.servicer, server)
    return server


@pytest.mark.parametrize("area", sorted({rpc.area for rpc in ALL} - set(SERVED_AREAS)))
async def test_areas_that_no_service_serves_yet_are_guarded_as_well(area: str) -> None:
    server = _unserved(area)
    for rpc in (rpc for rpc in ALL if rpc.area == area):
        for workload in WORKLOADS:
            channel = InProcessChannel(server, f"spiffe://{TRUST_DOMAIN}/{workload}")
            expect(rpc, workload, await call(channel, rpc))
