"""Tenancy over gRPC: is the subject a member, of which brand, on which plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hauberk.common.v1 import decision_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as rpc

from services.auth.policy.causes import Cause
from services.auth.policy.identity import Membership
from services.kit.channels import Client

AT_MOST_SECONDS = 2.0


class TenancyDirectory:
    """`services.auth.ports.Directory`; `token` mints the narrow token that the question is asked with."""

    def __init__(self, channel: Any, token: Callable[[str, str], str]) -> None:
        self._stub = rpc.TenancyServiceStub(channel)
        self._client = Client("tenancy")
        self._token = token

    async def resolve(self, organisation: str, subject: str, brand: str) -> Membership:
        """Whatever tenancy does not clearly allow is refused."""
        answer: pb.ResolvePrincipalResponse = await self._client.call(
            self._stub.ResolvePrincipal,
            pb.ResolvePrincipalRequest(brand=brand),
            at_most=AT_MOST_SECONDS,
            token=self._token(organisation, subject),
            name="tenancy.ResolvePrincipal",
        )
        if answer.outcome != decision_pb2.OUTCOME_ALLOW or not answer.brand:
            suspended = answer.reason == decision_pb2.REASON_ORGANISATION_SUSPENDED
            return Membership(Cause.ORGANISATION_SUSPENDED if suspended else Cause.NOT_A_MEMBER)
        return Membership(
            cause=Cause.NONE,
            brand=answer.brand,
            plan=answer.plan,
            zone=answer.zone or "UTC",
            account_created=answer.account_created_at.seconds,
            roles=frozenset(answer.roles),
        )
