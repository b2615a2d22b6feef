"""Two administrators edit at once; the one who read first must not undo what the other did."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from cli.failure import Failure
from tests.support.backend import DEADLINE, Backend, fresh


async def aborted(pending: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pending
    assert (caught.value.code(), Failure.of(caught.value).reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")


async def test_it_overwrites_nothing(backend: Backend) -> None:
    stub, name = TenancyServiceStub(backend.channel("tenancy")), fresh("user")
    await backend.member(name, roles=["viewer"])
    own: dict[str, Any] = {"timeout": DEADLINE, "metadata": await backend.administer()}
    read = (await stub.GetMember(tenancy.GetMemberRequest(user=name), **own)).member
    limited = (await stub.UpdateMember(tenancy.UpdateMemberRequest(user=name, suspended=True), **own)).member
    put = tenancy.Member(user=name, roles=["admin"], etag=read.etag)
    await aborted(stub.UpdateMember(tenancy.UpdateMemberRequest(user=name, roles=["admin"], etag=read.etag), **own))
    await aborted(stub.PutMember(tenancy.PutMemberRequest(member=put), **own))
    await aborted(stub.RemoveMember(tenancy.RemoveMemberRequest(user=name, etag=read.etag), **own))
    assert (await stub.GetMember(tenancy.GetMemberRequest(user=name), **own)).member == limited


async def test_of_many_with_the_same_etag_one_wins(backend: Backend) -> None:
    stub, brand = TenancyServiceStub(backend.channel("tenancy")), await backend.brand()
    own: dict[str, Any] = {"timeout": DEADLINE, "metadata": await backend.administer()}
    etag = (await stub.GetBrand(tenancy.GetBrandRequest(brand=brand), **own)).brand.etag
    answers = await asyncio.gather(
        *(
            stub.UpdateBrand(tenancy.UpdateBrandRequest(brand=brand, display_name=f"n{n}", etag=etag), **own)
            for n in range(8)
        ),
        return_exceptions=True,
    )
    (won,) = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert (await stub.GetBrand(tenancy.GetBrandRequest(brand=brand), **own)).brand == won.brand
