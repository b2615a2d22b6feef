"""Whoever holds the operator's certificate tries to read what belongs to a tenant."""

from __future__ import annotations

import grpc
import pytest
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.attacks.rpcs import SERVED_TENANT, Rpc, call
from tests.support.backend import DEADLINE, Backend

OPERATOR = "operator"
OF_TENANCY = [rpc for rpc in SERVED_TENANT if rpc.area == "tenancy"]


@pytest.mark.parametrize("rpc", OF_TENANCY, ids=str)
async def test_no_method_of_tenants_is_open_to_it(target: Stack, backend: Backend, rpc: Rpc) -> None:
    """Not even with a tenant's own token in hand."""
    (_, token), *_ = await backend.administer()
    for tokens in ([], [token]):
        answer = await call(target.channel("tenancy", OPERATOR), rpc, tokens)
        assert answer.code in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}


async def test_its_own_methods_say_lifecycle_only(target: Stack) -> None:
    stub = TenancyServiceStub(target.channel("tenancy", OPERATOR))
    page = await stub.ListOrganisations(tenancy.ListOrganisationsRequest(page_size=200), timeout=DEADLINE)
    assert {target.organisation, target.other.organisation} <= {one.organisation for one in page.organisations}
    said = {field.name for one in page.organisations for field, _ in one.ListFields()}
    assert said == {"organisation", "display_name", "plan", "status", "created_at", "updated_at", "etag"}
    assert target.admin not in str(page)
    assert target.brand not in str(page)


async def test_nobody_else_is_let_through_its_doors(target: Stack, backend: Backend) -> None:
    for workload in ("backend/demo", "gateway", "auth"):
        stub = TenancyServiceStub(target.channel("tenancy", workload))
        for pending in (
            stub.ListOrganisations(tenancy.ListOrganisationsRequest(), timeout=DEADLINE),
            stub.ListPlans(tenancy.ListPlansRequest(), timeout=DEADLINE, metadata=await backend.administer()),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await pending
            assert caught.value.code() in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
