"""One call being served, and the named layers around every handler.

A layer is `async (call, proceed) -> response`: what it does before `proceed` guards the handler, what it does after
sees the answer. Layers run in order, each names what must run before it, and the order is checked at boot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from services.kit import caller as callers
from services.kit.access import AccessRule
from services.kit.caller import Caller, Workload

Proceed = Callable[[], Awaitable[Any]]
# Stands for bytes that are not the method's message: grpc would answer with the decoder's own words before any layer
# had run, so the validation layer refuses it instead.
MALFORMED = object()


class Call:
    """State of one call; layers fill it in."""

    __slots__ = (
        "access",
        "caller",
        "context",
        "deadline",
        "facts",
        "method",
        "outcome",
        "recorded",
        "request",
        "streaming",
        "token",
        "trace_id",
        "workload",
    )

    def __init__(self, method: str, access: AccessRule | None, context: aio.ServicerContext[Any, Any]) -> None:
        self.method = method
        self.access = access
        self.context = context
        self.request: Any = None
        self.workload: Workload | None = None
        self.caller: Caller | None = None
        self.token = ""
        self.deadline = 0.0
        self.streaming = False
        self.outcome = ""
        self.trace_id = ""
        self.facts: dict[str, str] = {}  # what a handler adds to the audit event of the call: identifiers and counts
        self.recorded = False  # a handler that puts the call on record itself says so here


class Layer(Protocol):
    """One named guard."""

    name: str
    after: tuple[str, ...]

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        """Runs around the rest of the chain."""
        ...


class LayerOrderError(ValueError):
    """The layers of a server are in a wrong order: the process does not start."""


def check_order(layers: Sequence[Layer]) -> None:
    """Raises LayerOrderError on a repeated name, an unknown prerequisite, or one that comes later."""
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            raise LayerOrderError(f"layer {layer.name} stands twice")
        missing = [name for name in layer.after if name not in seen]
        if missing:
            raise LayerOrderError(f"layer {layer.name} needs {', '.join(missing)} before it")
        seen.add(layer.name)


class LayeredInterceptor(aio.ServerInterceptor):
    """Puts the layers around every handler of a server; composed once per method."""

    def __init__(self, layers: Sequence[Layer], rules: dict[str, AccessRule]) -> None:
        check_order(layers)
        self._layers = tuple(layers)
        self._rules = rules
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Looks the handler up and hands back the guarded one."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:  # grpc answers UNIMPLEMENTED
                return handler
            wrapped = self._wrapped[method] = self.wrap(method, handler)
        return wrapped

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """The same handler with every layer around it."""
        codec = (_tolerant(handler.request_deserializer), handler.response_serializer)
        rule = self._rules.get(method)
        if not handler.request_streaming and not handler.response_streaming:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, rule, handler.unary_unary), *codec)
        if not handler.request_streaming:
            return grpc.unary_stream_rpc_method_handler(self._streaming(method, rule, handler.unary_stream), *codec)
        if not handler.response_streaming:
            return grpc.stream_unary_rpc_method_handler(self._unary(method, rule, handler.stream_unary), *codec)
        return grpc.stream_stream_rpc_method_handler(self._streaming(method, rule, handler.stream_stream), *codec)

    def _unary(self, method: str, rule: AccessRule | None, behaviour: Any) -> Any:
        async def serve(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
            call = Call(method, rule, context)
            call.request = request

            async def handle() -> Any:
                return await behaviour(call.request, context)

            return await self._run(call, handle)

        return serve

    def _streaming(self, method: str, rule: AccessRule | None, behaviour: Any) -> Any:
        # As a coroutine that writes, a streaming handler has one beginning and one end like any other.
        async def serve(request: Any, context: aio.ServicerContext[Any, Any]) -> None:
            call = Call(method, rule, context)
            call.request = request
            call.streaming = True

            async def handle() -> None:
                # Closed here and now: what a handler does at its end must not wait for the garbage collector.
                async with aclosing(behaviour(call.request, context)) as answers:
                    async for answer in answers:
                        await context.write(answer)

            await self._run(call, handle)

        return serve

    async def _run(self, call: Call, handle: Proceed) -> Any:
        reset = callers.current.set(call)
        proceed = handle
        for layer in reversed(self._layers):
            proceed = _around(layer, call, proceed)
        try:
            return await proceed()
        finally:
            callers.current.reset(reset)


def _tolerant(decode: Any) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            return MALFORMED

    return read


def _around(layer: Layer, call: Call, proceed: Proceed) -> Proceed:
    def run() -> Awaitable[Any]:
        return layer(call, proceed)

    return run
