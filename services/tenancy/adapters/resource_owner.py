"""A product's own backend as the one who knows who owns what. Whatever is not a clear answer in time is no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from hauberk.tenancy.v1 import resource_owner_pb2 as pb
from hauberk.tenancy.v1.resource_owner_pb2_grpc import ResourceOwnerServiceStub

from services.kit.caller import Caller
from services.kit.channels import Client
from services.kit.errors import KitError
from services.kit.logs import logger
from services.kit.validation import violations_of
from services.tenancy.policy import Resource

_AT_ONCE = 200


class BackendOwner:
    """Implements `ports.resources.ResourceOwner` over a channel to a backend."""

    def __init__(self, channel: Any, peer: str, at_most: float) -> None:
        self._stub = ResourceOwnerServiceStub(channel)
        self._client = Client(peer)
        self._at_most = at_most

    async def resolve(self, caller: Caller, kind: str, ids: Collection[str]) -> Mapping[str, Resource]:
        """See the port."""
        ordered = sorted(ids)
        parts = [ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE)]
        answers = await asyncio.gather(*(self._ask(caller, kind, part) for part in parts))
        return {name: resource for answer in answers for name, resource in answer.items()}

    async def _ask(self, caller: Caller, kind: str, ids: list[str]) -> dict[str, Resource]:
        request = pb.ResolveOwnersRequest(organisation=caller.organisation, type=kind, ids=ids)
        try:
            answer = await self._client.call(
                self._stub.ResolveOwners, request, at_most=self._at_most, name="backend.ResolveOwners"
            )
        except KitError as error:
            logger().warning("resource_owner.failed", peer=self._client.peer, problem=error.reason)
            return {}
        if not isinstance(answer, pb.ResolveOwnersResponse) or violations_of(answer):
            logger().warning("resource_owner.failed", peer=self._client.peer, problem="answer_not_accepted")
            return {}
        return _accepted(caller.organisation, kind, frozenset(ids), answer)


def _accepted(
    organisation: str, kind: str, asked: frozenset[str], answer: pb.ResolveOwnersResponse
) -> dict[str, Resource]:
    """What was asked for and belongs to the caller's organisation. An id that is answered twice is not clear."""
    found: dict[str, Resource] = {}
    unclear: set[str] = set()
    for one in answer.resolved:
        if one.id in found:
            unclear.add(one.id)
        elif one.id in asked:
            labels = frozenset(one.labels)
            found[one.id] = Resource(kind, one.id, one.organisation, one.owner, one.brand, labels)
    return {
        name: resource
        for name, resource in found.items()
        if name not in unclear and resource.organisation == organisation
    }
