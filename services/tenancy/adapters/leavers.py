"""Tells auth that somebody is no member any more, with the token of whoever removed them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as rpc

from services.kit.channels import Client
from services.kit.errors import InvalidArgument, Unavailable

AT_MOST = 2.0


class AuthLeavers:
    """Implements `ports.Leavers`. The channel is made at the first one: readiness never waits for that peer."""

    def __init__(self, dial: Callable[[], Any]) -> None:
        self._dial = dial
        self._client = Client("auth")

    async def ended(self, token: str, user: str) -> None:
        """See the port."""
        request = pb.EndMembershipRequest(user=user)
        stub = rpc.AuthServiceStub(self._dial())
        try:
            await self._client.call(
                stub.EndMembership, request, at_most=AT_MOST, token=token, name="auth.EndMembership"
            )
        except InvalidArgument:  # the request is ours: nobody's field is wrong but this adapter's
            raise Unavailable("auth") from None
