"""Tenancy over gRPC: may this user chat with that brand."""

from __future__ import annotations

from typing import Any

from hauberk.common.v1 import decision_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as rpc

from services.context_token.policy.causes import IssueCause
from services.kit.channels import Client

AT_MOST_SECONDS = 2.0
# What the context is for: the user goes on with the conversation there.
ACTION = "chat.send"


class TenancyPermissions:
    """`services.context_token.ports.Permissions`, asked with the caller's own token."""

    def __init__(self, channel: Any) -> None:
        self._stub = rpc.TenancyServiceStub(channel)
        self._client = Client("tenancy")

    async def may_use(self, token: str, brand: str) -> IssueCause:
        """Whatever tenancy does not clearly allow is refused; unknown and foreign brands look the same."""
        answer: pb.AuthorizeResponse = await self._client.call(
            self._stub.Authorize,
            pb.AuthorizeRequest(action=ACTION, resource=pb.Resource(type="Brand", id=brand)),
            at_most=AT_MOST_SECONDS,
            token=token,
            name="tenancy.Authorize",
        )
        if answer.outcome == decision_pb2.OUTCOME_ALLOW:
            return IssueCause.NONE
        suspended = answer.reason == decision_pb2.REASON_ORGANISATION_SUSPENDED
        return IssueCause.ORGANISATION_SUSPENDED if suspended else IssueCause.NOT_PERMITTED
