"""Joins services in one process: same stubs, same layers, no socket.

Messages are serialised both ways, the handler starts with empty context variables, and only metadata crosses; the
workload identity is fixed when the channel is made, as a certificate would.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterable, AsyncIterator, Generator, Mapping, Sequence
from typing import Any, NoReturn

import grpc
from grpc import aio

from services.kit.call import LayeredInterceptor
from services.kit.identity import SAN

Metadata = Sequence[tuple[str, str | bytes]]
_END = object()


class InProcessServer:
    """What generated `add_..._to_server` functions register with."""

    def __init__(self, interceptor: LayeredInterceptor | None = None) -> None:
        self.interceptor = interceptor
        self.handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, _: Any) -> None:
        """The same methods come by `add_registered_method_handlers` as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Takes the handlers of one service, with the layers around them."""
        if self.interceptor is None:
            raise ValueError("the layers come first: a handler without them is never mounted")
        for name, handler in handlers.items():
            path = f"/{service}/{name}"
            self.handlers[path] = self.interceptor.wrap(path, handler)


class _Aborted(Exception):
    def __init__(self, code: grpc.StatusCode, details: str, trailing: Metadata) -> None:
        super().__init__(code)
        self.code = code
        self.details = details
        self.trailing = trailing


class _Context:
    """The part of a servicer context that layers and handlers use."""

    def __init__(self, identity: bytes, metadata: Metadata, timeout: float | None) -> None:
        self._auth = {SAN: [identity]} if identity else {}
        self._metadata = tuple(metadata)
        self._ends = None if timeout is None else time.monotonic() + timeout
        self.answers: asyncio.Queue[Any] = asyncio.Queue(maxsize=16)

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        return self._auth

    def invocation_metadata(self) -> Metadata:
        return self._metadata

    def time_remaining(self) -> float | None:
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        raise _Aborted(code, details, trailing_metadata)

    async def write(self, message: Any) -> None:
        await self.answers.put(message)

    def end(self, _: asyncio.Task[Any]) -> None:
        if not self.answers.full():  # else the reader finds the end by itself
            self.answers.put_nowait(_END)

    def set_code(self, code: grpc.StatusCode) -> None:
        """Generated base servicers call this before they raise; the boundary decides the status."""

    def set_details(self, details: str) -> None:
        """See `set_code`."""

    def peer(self) -> str:
        return "inprocess"


class InProcessChannel:
    """A channel to handlers of this process, for one workload (`spiffe://...`)."""

    def __init__(self, server: InProcessServer, identity: str) -> None:
        self._server = server
        self._identity = identity.encode()

    def unary_unary(self, method: str, request_serializer: Any, response_deserializer: Any, **_: Any) -> _Method:
        """A callable for one method."""
        return _Method(self, method, request_serializer, response_deserializer, streams=False)

    stream_unary = unary_unary

    def unary_stream(self, method: str, request_serializer: Any, response_deserializer: Any, **_: Any) -> _Method:
        """A callable for one method that answers with a stream."""
        return _Method(self, method, request_serializer, response_deserializer, streams=True)

    stream_stream = unary_stream

    async def close(self, grace: float | None = None) -> None:
        """Nothing to close."""

    def open_call(self, method: str, metadata: Metadata, timeout: float | None) -> tuple[Any, _Context]:
        """Handler and context of one call; raises UNIMPLEMENTED for a method that is not mounted."""
        handler = self._server.handlers.get(method)
        if handler is None:
            raise rpc_error(grpc.StatusCode.UNIMPLEMENTED, "method not found")
        return handler, _Context(self._identity, metadata, timeout)


class _Method:
    def __init__(self, channel: InProcessChannel, method: str, encode: Any, decode: Any, *, streams: bool) -> None:
        self._channel, self._method, self._encode, self._decode, self._streams = (
            channel,
            method,
            encode,
            decode,
            streams,
        )

    def __call__(self, request: Any, *, timeout: float | None = None, metadata: Metadata = (), **_: Any) -> Any:
        handler, context = self._channel.open_call(self._method, metadata, timeout)
        if isinstance(request, AsyncIterable):
            incoming: Any = self._each(request, handler)
        else:
            incoming = handler.request_deserializer(self._encode(request))
        behaviour = next(
            b for b in (handler.unary_unary, handler.stream_unary, handler.unary_stream, handler.stream_stream) if b
        )
        task = asyncio.get_running_loop().create_task(
            _serve(behaviour, incoming, context, timeout), context=contextvars.Context()
        )
        task.add_done_callback(context.end)  # also for a task that was cancelled before its first step
        if self._streams:
            return _StreamCall(task, context, lambda answer: self._decode(handler.response_serializer(answer)))
        return _UnaryCall(task, lambda answer: self._decode(handler.response_serializer(answer)))

    async def _each(self, requests: AsyncIterable[Any], handler: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield handler.request_deserializer(self._encode(request))


async def _serve(behaviour: Any, request: Any, context: _Context, timeout: float | None) -> Any:
    try:
        async with asyncio.timeout(timeout):
            return await behaviour(request, context)
    except _Aborted as aborted:
        raise rpc_error(aborted.code, aborted.details, aborted.trailing) from None
    except TimeoutError:
        raise rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline is spent") from None


class _UnaryCall:
    def __init__(self, task: asyncio.Task[Any], decode: Any) -> None:
        self._task, self._decode = task, decode

    def __await__(self) -> Generator[Any, None, Any]:
        # Awaiting the task directly: when the waiter is cancelled so is the handler, as over a socket.
        answer = yield from self._task.__await__()
        return self._decode(answer)

    def cancel(self) -> bool:
        return self._task.cancel()


class _StreamCall:
    def __init__(self, task: asyncio.Task[Any], context: _Context, decode: Any) -> None:
        self._task, self._context, self._decode = task, context, decode

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            while not (self._task.done() and self._context.answers.empty()):
                answer = await self._context.answers.get()
                if answer is _END:
                    break
                yield self._decode(answer)
            await self._task
        finally:
            self._task.cancel()

    def cancel(self) -> bool:
        return self._task.cancel()


def rpc_error(code: grpc.StatusCode, details: str, trailing: Metadata = ()) -> aio.AioRpcError:
    """The error that a client of a socket would see."""
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(*trailing), details=details)
