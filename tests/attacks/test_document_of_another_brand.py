"""An administrator of one brand reaches for the documents of another: to read, replace, take over or delete them."""

from __future__ import annotations

import grpc
import pytest
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from tests.attacks.limited import limited_administrator
from tests.support.backend import Backend, allowed, fresh

SECRET = "The club pays its members a quarter of what it earns"


async def test_it_stays_with_its_brand(backend: Backend) -> None:
    tenancy = TenancyServiceStub(backend.channel("tenancy"))
    admin = await backend.administer()
    club, name = await backend.brand(), fresh("club-book")
    put = pb.PutDocumentRequest(document=name, text=SECRET, brand=club)
    await tenancy.PutDocument(put, metadata=admin, timeout=5)

    eve = await limited_administrator(backend, backend.stack.brand)
    question = pb.AuthorizeRequest(action="document.read", resource=pb.Resource(type="Document", id=name))
    assert not allowed(await tenancy.Authorize(question, metadata=eve, timeout=5))
    for ask in (
        pb.SearchKnowledgeRequest(text=SECRET, limit=200),
        pb.SearchKnowledgeRequest(text=SECRET, limit=200, brand=club),
    ):
        found = await tenancy.SearchKnowledge(ask, metadata=eve, timeout=5)
        assert name not in {part.document for part in found.parts}
    context = pb.AssembleContextRequest(text=SECRET, token_budget=100_000, brand=club)
    assert not (await tenancy.AssembleContext(context, metadata=eve, timeout=5)).parts

    for taken in ("", backend.stack.brand, club):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await tenancy.PutDocument(
                pb.PutDocumentRequest(document=name, text="mine", brand=taken), metadata=eve, timeout=5
            )
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    gone = await tenancy.DeleteDocument(pb.DeleteDocumentRequest(document=name), metadata=eve, timeout=5)
    assert not gone.existed
    still = await tenancy.SearchKnowledge(
        pb.SearchKnowledgeRequest(text=SECRET, limit=5, brand=club), metadata=admin, timeout=5
    )
    assert [part.text for part in still.parts] == [SECRET]
