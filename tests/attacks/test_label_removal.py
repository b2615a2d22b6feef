"""Somebody who may not read a document tries to take off the labels that stand in the way."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from tests.support.backend import Backend, Metadata, allowed, fresh

TEXT = "Nobody but its owner reads this diary"


def question(name: str) -> pb.AuthorizeRequest:
    return pb.AuthorizeRequest(action="document.read", resource=pb.Resource(type="Document", id=name))


async def refused(call: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_labels_stay_on(backend: Backend) -> None:
    tenancy = TenancyServiceStub(backend.channel("tenancy"))
    admin = await backend.administer()
    owner = fresh("owner")
    name = fresh("diary")
    put = pb.PutDocumentRequest(document=name, text=TEXT, owner=owner, labels=["private"])
    await tenancy.PutDocument(put, metadata=admin, timeout=5)
    theirs = await backend.proof(await backend.member(owner))
    assert allowed(await tenancy.Authorize(question(name), metadata=theirs, timeout=5))

    # Not even an administrator, whose key writes everything else: with other labels it would be readable.
    bare = pb.ResourceFacts(resource=pb.Resource(type="Document", id=name), owner=fresh("other"))
    member = await backend.proof(await backend.member(roles=["member"]))
    await refused(tenancy.PutDocument(pb.PutDocumentRequest(document=name, text="x"), metadata=member, timeout=5))
    for who in (admin, member):
        await refused(tenancy.PutResources(pb.PutResourcesRequest(facts=[bare]), metadata=who, timeout=5))
        await unread(tenancy, name, who)
    # Deleting it to put a bare one in its place does not show what was in it.
    wanted = pb.DeleteResourcesRequest(resources=[pb.Resource(type="Document", id=name)])
    assert (await tenancy.DeleteResources(wanted, metadata=admin, timeout=5)).deleted == 0
    assert allowed(await tenancy.Authorize(question(name), metadata=theirs, timeout=5))
    # With the scope to replace it, what was in it goes with its labels.
    await tenancy.PutDocument(pb.PutDocumentRequest(document=name, text="blank"), metadata=admin, timeout=5)
    found = await tenancy.SearchKnowledge(pb.SearchKnowledgeRequest(text=TEXT, limit=200), metadata=admin, timeout=5)
    assert TEXT not in {part.text for part in found.parts}


async def unread(tenancy: Any, name: str, who: Metadata) -> None:
    assert not allowed(await tenancy.Authorize(question(name), metadata=who, timeout=5))
    for labels in ((), ("private",)):
        ask = pb.SearchKnowledgeRequest(text=TEXT, limit=200, labels=labels)
        found = await tenancy.SearchKnowledge(ask, metadata=who, timeout=5)
        assert name not in {part.document for part in found.parts}
