"""Documents: put, deleted, searched, assembled."""

from __future__ import annotations

from typing import Any

from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller, current_caller
from services.kit.errors import InvalidArgument
from services.tenancy import messages
from services.tenancy.flows.knowledge import Ask, Draft
from services.tenancy.policy import Cause, Resource
from services.tenancy.policy.knowledge import tokens
from services.tenancy.policy.resources import DOCUMENT
from services.tenancy.ports.resources import Hit
from services.tenancy.servicer.core import Part


class Knowledge(Part):
    """What an organisation knows, and which of it a caller may read."""

    async def PutDocument(self, request: pb.PutDocumentRequest, _: Any) -> pb.PutDocumentResponse:
        """Stores or replaces a document."""
        caller = current_caller()
        chunks, replaced = await self._core.knowledge.put(caller, _draft(caller, request))
        return pb.PutDocumentResponse(chunks=chunks, replaced=replaced)

    async def DeleteDocument(self, request: pb.DeleteDocumentRequest, _: Any) -> pb.DeleteDocumentResponse:
        """Deletes a document."""
        return pb.DeleteDocumentResponse(existed=await self._core.knowledge.delete(current_caller(), request.document))

    async def SearchKnowledge(self, request: pb.SearchKnowledgeRequest, _: Any) -> pb.SearchKnowledgeResponse:
        """The nearest chunks that the caller may read."""
        found = await self._core.knowledge.search(current_caller(), _ask(request), request.limit)
        return pb.SearchKnowledgeResponse(
            parts=map(_part, found.hits),
            outcome=_outcome(found.cause),
            reason=messages.REASONS[found.cause],
            partial=found.partial,
        )

    async def AssembleContext(self, request: pb.AssembleContextRequest, _: Any) -> pb.AssembleContextResponse:
        """The nearest chunks that fit."""
        found = await self._core.knowledge.assemble(current_caller(), _ask(request), request.token_budget)
        return pb.AssembleContextResponse(
            parts=map(_part, found.hits),
            outcome=_outcome(found.cause),
            reason=messages.REASONS[found.cause],
            partial=found.partial,
            tokens=found.tokens,
            left_out=found.left_out,
        )


def _draft(caller: Caller, request: pb.PutDocumentRequest) -> Draft:
    if bool(request.text) == bool(request.chunks) or (request.embedding and not request.text):
        raise InvalidArgument.of("text", "a text or chunks, and not both")
    chunks = (
        [(request.text, tuple(request.embedding))]
        if request.text
        else [(chunk.text, tuple(chunk.embedding)) for chunk in request.chunks]
    )
    facts = Resource(
        DOCUMENT, request.document, caller.organisation, request.owner, request.brand, frozenset(request.labels)
    )
    return Draft(facts, request.title, chunks, whole=bool(request.text))


def _ask(request: pb.SearchKnowledgeRequest | pb.AssembleContextRequest) -> Ask:
    return Ask(tuple(request.embedding), request.text, request.brand, tuple(request.labels))


def _outcome(cause: Cause) -> common.Outcome.ValueType:
    return common.OUTCOME_ALLOW if cause is Cause.NONE else common.OUTCOME_DENY


def _part(hit: Hit) -> pb.KnowledgePart:
    """Every part says that it was retrieved, and from where: nobody has to trust it."""
    return pb.KnowledgePart(
        document=hit.resource.id,
        text=hit.text,
        score=hit.score,
        chunk=hit.chunk,
        title=hit.title,
        labels=sorted(hit.resource.labels),
        brand=hit.resource.brand,
        source=common.SOURCE_RETRIEVED,
        tokens=tokens(hit.text),
    )
