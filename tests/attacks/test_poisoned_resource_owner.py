"""A request that asks for permission brings an owner, a brand and labels of its own: nobody reads them."""

from __future__ import annotations

import grpc
import pytest
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from tests.support.backend import Backend, allowed, fresh


async def test_an_owner_in_the_question_changes_nothing(backend: Backend) -> None:
    tenancy = TenancyServiceStub(backend.channel("tenancy"))
    admin = await backend.administer()
    name = fresh("diary")
    facts = pb.ResourceFacts(resource=pb.Resource(type="Document", id=name), owner="somebody", labels=["private"])
    await tenancy.PutResources(pb.PutResourcesRequest(facts=[facts]), metadata=admin, timeout=5)

    user = fresh("mallory")
    mallory = await backend.proof(await backend.member(user))
    # Owner, brand and labels where the contract has none: unknown fields on the wire.
    question = pb.AuthorizeRequest(action="document.read", resource=pb.Resource(type="Document", id=name))
    plain = question.SerializeToString()
    for raw in (plain + _field(3, user), plain + _field(9, user), plain + _inner(user, name)):
        asked = pb.AuthorizeRequest.FromString(raw)
        assert asked.SerializeToString() != plain
        assert not allowed(await tenancy.Authorize(asked, metadata=mallory, timeout=5))

    # Nor does saying it where facts are put: that needs a scope and a permission.
    mine = pb.PutResourcesRequest(resources=[pb.Resource(type="Document", id=name)])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await tenancy.PutResources(mine, metadata=mallory, timeout=5)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert not allowed(await tenancy.Authorize(question, metadata=mallory, timeout=5))


def _field(number: int, value: str) -> bytes:
    data = value.encode()
    return bytes([number << 3 | 2, len(data)]) + data


def _inner(owner: str, name: str) -> bytes:
    """`resource` once more, now with fields that could be read as an owner."""
    inner = pb.Resource(type="Document", id=name).SerializeToString() + _field(3, owner) + _field(4, owner)
    return bytes([2 << 3 | 2, len(inner)]) + inner
