"""Asking the gateway: the stack that a command talks to, and the questions it asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as gateway_grpc

from embedded.client import Connection
from embedded.stack import Stack, StackOptions, read_running

TIMEOUT = 10.0
STREAM_TIMEOUT = 600.0
# Callers on this machine; documentation range, so that it is nobody's real address.
CLIENT_ADDRESS = "192.0.2.10"


class Tenant(Protocol):
    """An organisation of the embedded stack with its first credentials."""

    @property
    def organisation(self) -> str:
        """Id."""

    @property
    def brand(self) -> str:
        """Its first brand."""

    @property
    def admin(self) -> str:
        """Its first administrator."""

    @property
    def api_key(self) -> str:
        """The administrator's key."""


class Reach(Tenant, Protocol):
    """A running stack: this process's own, or one that another process runs."""

    def channel(self, kind: str, workload: str = ...) -> aio.Channel:
        """An mTLS channel over TCP to a service."""

    def user_jwt(self, user: str, organisation: str = ..., ttl: int = ...) -> str:
        """A token of the development issuer for a member."""


@asynccontextmanager
async def reach(folder: Path) -> AsyncIterator[Reach]:
    """The stack that runs in `folder`; when none runs there, one is started for as long as it is needed."""
    if read_running(folder) is None:
        async with Stack.running(folder, StackOptions()) as stack:
            yield stack
        return
    connection = Connection(folder)
    try:
        yield connection
    finally:
        await connection.close()


def by_key(key: str) -> auth_pb.Credential:
    """An API key."""
    return auth_pb.Credential(api_key=key)


def by_jwt(token: str) -> auth_pb.Credential:
    """A user's token."""
    return auth_pb.Credential(jwt=token)


def by_context(token: str) -> auth_pb.Credential:
    """A context token of another brand."""
    return auth_pb.Credential(context_token=token)


def question(credential: auth_pb.Credential, brand: str, text: str, **more: Any) -> pb.AdmitRequest:
    """An ordinary request of one user message."""
    more.setdefault("conversation", "terminal")
    more.setdefault("client_address", CLIENT_ADDRESS)
    message = pb.ChatMessage(role=common.ROLE_USER, source=common.SOURCE_USER, text=text)
    return pb.AdmitRequest(credential=credential, brand=brand, messages=[message], **more)


class Gateway:
    """The gateway over real gRPC."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = gateway_grpc.GatewayServiceStub(channel)

    async def admit(self, request: pb.AdmitRequest) -> pb.AdmitResponse:
        """Asks; raises AioRpcError when it cannot be decided."""
        answer: pb.AdmitResponse = await self._stub.Admit(request, timeout=TIMEOUT)
        return answer

    async def complete(self, admission: str, text: str) -> pb.CompleteResponse:
        """The model's answer as its owner may see it; raises AioRpcError when it cannot be decided."""
        request = pb.CompleteRequest(admission=admission, text=text)
        answer: pb.CompleteResponse = await self._stub.Complete(request, timeout=TIMEOUT)
        return answer

    async def complete_stream(
        self, admission: str, pieces: AsyncIterator[str] | Iterable[str]
    ) -> AsyncIterator[pb.CompleteStreamResponse]:
        """The same piece by piece; the last message holds the decision."""

        async def requests() -> AsyncIterator[pb.CompleteStreamRequest]:
            yield pb.CompleteStreamRequest(admission=admission)
            async for piece in each(pieces):
                yield pb.CompleteStreamRequest(chunk=piece)

        async for answer in self._stub.CompleteStream(requests(), timeout=STREAM_TIMEOUT):
            yield answer

    async def tool(self, admission: str, tool: str, arguments_json: str, **more: Any) -> pb.AuthorizeToolCallResponse:
        """May the user make the call that the model wrote? Raises AioRpcError when it cannot be decided."""
        request = pb.AuthorizeToolCallRequest(admission=admission, tool=tool, arguments_json=arguments_json, **more)
        answer: pb.AuthorizeToolCallResponse = await self._stub.AuthorizeToolCall(request, timeout=TIMEOUT)
        return answer


async def each(pieces: AsyncIterator[str] | Iterable[str]) -> AsyncIterator[str]:
    """The pieces, wherever they come from."""
    if isinstance(pieces, AsyncIterator):
        async for piece in pieces:
            yield piece
    else:
        for piece in pieces:
            yield piece
