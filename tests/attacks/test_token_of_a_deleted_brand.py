"""A brand was deleted; a token that was minted for it goes on, and the brand comes back under the same name."""

from __future__ import annotations

import grpc
from hauberk.redaction.v1 import redaction_service_pb2 as redaction
from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, status_of
from tests.support.waiting import eventually


async def test_it_is_refused_everywhere_and_does_not_come_back(target: Stack, backend: Backend) -> None:
    brand, jwt = await backend.brand(), await backend.member()
    held = await backend.proof(jwt, brand)
    texts, asked = RedactionServiceStub(backend.channel("redaction")), redaction.DetectRequest(texts=["hello"])

    async def refused() -> bool:
        answer = await status_of(texts.Detect(asked, timeout=DEADLINE, metadata=held))
        return answer is grpc.StatusCode.UNAUTHENTICATED

    assert not await refused()
    directory = TenancyServiceStub(backend.channel("tenancy"))
    request = tenancy.DeleteBrandRequest(brand=brand)
    assert (await directory.DeleteBrand(request, timeout=DEADLINE, metadata=await backend.administer())).existed
    assert await eventually(refused, seconds=2.0)
    assert not (await backend.authenticate(jwt, brand)).txn_token
    await backend.brand(brand)
    assert await refused()
