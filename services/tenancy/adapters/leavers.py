"""Tells auth that a member or a brand is gone, with the token of whoever removed it."""

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
        stub = rpc.AuthServiceStub(self._dial())
        await self._call(stub.EndMembership, pb.EndMembershipRequest(user=user), token, "auth.EndMembership")

    async def brand_ended(self, token: str, brand: str) -> None:
        """See the port."""
        stub = rpc.AuthServiceStub(self._dial())
        await self._call(stub.EndBrand, pb.EndBrandRequest(brand=brand), token, "auth.EndBrand")

    async def _call(self, method: Any, request: Any, token: str, name: str) -> None:
        try:
            await self._client.call(method, request, at_most=AT_MOST, token=token, name=name)
        except InvalidArgument:  # the request is ours: nobody's field is wrong but this adapter's
            raise Unavailable("auth") from None
