"""Protects a gRPC service (grpc.aio) in one line: `aio.server(interceptors=[ProtectedCalls(guard)])`.

Every call needs a credential in its metadata that auth accepts. Refusals look alike whatever their cause; no handler
runs before, no message is read. The caller is `current_caller()` in the handler (of `async def` handlers).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any

import grpc
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth

from hauberk_client import tracing
from hauberk_client.calls import Undecided
from hauberk_client.credentials import bearer
from hauberk_client.guard import Caller, Guard, NotAuthenticated, NotPermitted, let_in

Metadata = Sequence[tuple[str, str | bytes]]
Resource = Callable[[str, Metadata], tuple[str, str]]

_WORDS = {
    grpc.StatusCode.UNAUTHENTICATED: "a valid credential is required",
    grpc.StatusCode.PERMISSION_DENIED: "not permitted",
    grpc.StatusCode.UNAVAILABLE: "could not be decided",
}


def named(metadata: Metadata, key: str) -> list[str]:
    """Every text value of a key."""
    return [value for name, value in metadata if name == key and isinstance(value, str)]


def presented(metadata: Metadata) -> auth.Credential | None:
    """The one bearer token of a call; None when there is none, or more than one."""
    values = named(metadata, "authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return bearer(token.strip()) if scheme.lower() == "bearer" else None


class ProtectedCalls(aio.ServerInterceptor):
    """The interceptor. A resource that is named inside a message is asked about by `Guard.authorize` in the handler."""

    def __init__(
        self,
        guard: Guard,
        *,
        action: str = "",
        resource: Resource | None = None,
        public: Collection[str] = (),
        credential: Callable[[Metadata], auth.Credential | None] = presented,
    ) -> None:
        """`public`: exact methods (`/package.Service/Method`) that need nothing. ValueError for half a question."""
        if bool(action) != (resource is not None):
            raise ValueError("action and resource go together")
        self._guard = guard
        self._action = action
        self._resource = resource
        self._public = frozenset(public)
        self._credential = credential

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """The handler with its caller, or one that refuses."""
        if handler_call_details.method in self._public:
            return await continuation(handler_call_details)
        metadata: Metadata = tuple(handler_call_details.invocation_metadata or ())
        incoming = named(metadata, "traceparent")
        try:
            with tracing.trace(incoming[0] if len(incoming) == 1 else ""):
                parent = tracing.headers()["traceparent"]  # the handler's calls belong to the same trace
                caller = await self._guard.authenticate(self._credential(metadata))
                if self._resource is not None:
                    resource = self._resource(handler_call_details.method, metadata)
                    await self._guard.authorize(caller, self._action, resource)
        except NotAuthenticated:
            return _refusing(grpc.StatusCode.UNAUTHENTICATED)
        except NotPermitted:
            return _refusing(grpc.StatusCode.PERMISSION_DENIED)
        except Undecided:
            return _refusing(grpc.StatusCode.UNAVAILABLE)
        handler = await continuation(handler_call_details)
        return None if handler is None else _for(caller, parent, handler)


def _refusing(code: grpc.StatusCode) -> Any:
    """A handler for any kind of method: it reads nothing, so that no client is waited for."""

    async def refuse(_requests: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        # The server is the user's own, without our boundary: this is where it refuses. Un-awaited it would let in.
        await context.abort(code, _WORDS[code])
        yield None  # makes it a stream; never reached, because abort raises

    return grpc.stream_stream_rpc_method_handler(refuse)


def _for(caller: Caller, parent: str, handler: Any) -> Any:
    """The same handler, which runs as called by `caller`."""

    def answering(inner: Any) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            with tracing.trace(parent), let_in(caller):
                return await inner(request, context)

        return answer

    def streaming(inner: Any) -> Any:
        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            with tracing.trace(parent), let_in(caller):
                async for answer in inner(request, context):
                    yield answer

        return stream

    kind = ("stream" if handler.request_streaming else "unary") + (
        "_stream" if handler.response_streaming else "_unary"
    )
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    wrap = streaming if handler.response_streaming else answering
    return make(
        wrap(getattr(handler, kind)),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
