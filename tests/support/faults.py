"""Breaks peers and stores of a running stack on purpose: a wrapper around in-process channels."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from embedded import assembly
from services.kit.inprocess import rpc_error
from tests.support.fault_cases import Fault

LONG = 30.0
# What no answer of ours may repeat.
PRIVATE = "connect to 10.1.2.3:5432 failed: password authentication failed for hauberk_auth"


class Faults:
    """What is broken right now: (who asks, whom, method) -> how."""

    def __init__(self) -> None:
        self._active: dict[tuple[str, str, str], Fault] = {}
        self.hits: Counter[tuple[str, str, str]] = Counter()

    @contextmanager
    def inject(self, own: str, peer: str, method: str, fault: Fault) -> Iterator[tuple[str, str, str]]:
        """Broken for as long as the block; yields the name under which `hits` counts."""
        place = (own, peer, method)
        self._active[place] = fault
        self.hits[place] = 0
        try:
            yield place
        finally:
            del self._active[place]

    def of(self, place: tuple[str, str, str]) -> Fault | None:
        """How this question fails now."""
        fault = self._active.get(place)
        if fault is not None:
            self.hits[place] += 1
        return fault

    def channels(self) -> Callable[[assembly.Parts, str], Callable[[str], Any]]:
        """In place of `assembly._channel`."""
        genuine = assembly._channel

        def made(parts: assembly.Parts, own: str) -> Callable[[str], Any]:
            dial = genuine(parts, own)
            return lambda kind: FaultyChannel(dial(kind), own, kind, self)

        return made


class FaultyChannel:
    """A channel of `own` to `peer` that fails when it is told to."""

    def __init__(self, inner: Any, own: str, peer: str, faults: Faults) -> None:
        self._inner, self._own, self._peer, self._faults = inner, own, peer, faults

    def unary_unary(self, method: str, request_serializer: Any, response_deserializer: Any, **more: Any) -> Any:
        ask = self._inner.unary_unary(method, request_serializer, response_deserializer, **more)
        place = (self._own, self._peer, method.rpartition("/")[2])

        def call(request: Any, *, timeout: float | None = None, **rest: Any) -> Any:
            fault = self._faults.of(place)
            if fault is None:
                return ask(request, timeout=timeout, **rest)
            return _failed(fault, timeout, response_deserializer)

        return call

    def stream_stream(self, method: str, request_serializer: Any, response_deserializer: Any, **more: Any) -> Any:
        ask = self._inner.stream_stream(method, request_serializer, response_deserializer, **more)
        place = (self._own, self._peer, method.rpartition("/")[2])

        def call(requests: Any, *, timeout: float | None = None, **rest: Any) -> Any:
            fault = self._faults.of(place)
            if fault is None:
                return ask(requests, timeout=timeout, **rest)
            return _FailedStream(fault, timeout, response_deserializer, requests)

        return call

    unary_stream = stream_stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def _failed(fault: Fault, timeout: float | None, decode: Any) -> Any:
    if fault is Fault.REFUSED:
        raise rpc_error(grpc.StatusCode.UNAVAILABLE, PRIVATE)
    if fault is Fault.ERROR:
        raise rpc_error(grpc.StatusCode.INTERNAL, PRIVATE)
    if fault is Fault.EMPTY:
        return decode(b"")
    if fault is Fault.GARBAGE:
        return None  # what grpc.aio hands on when the bytes cannot be decoded
    if fault is Fault.SLOW:
        await asyncio.sleep(LONG if timeout is None else timeout)
    raise rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED, PRIVATE)


class _FailedStream:
    """A stream that fails on the way: not before something was said."""

    def __init__(self, fault: Fault, timeout: float | None, decode: Any, requests: Any) -> None:
        self._fault, self._timeout, self._decode, self._requests = fault, timeout, decode, requests

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for _ in self._requests:
            break
        yield await _failed(self._fault, self._timeout, self._decode)

    def cancel(self) -> bool:
        return True
