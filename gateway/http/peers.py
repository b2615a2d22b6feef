"""Any method of any service, by its route; what a service says of an error is kept whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from opentelemetry import propagate
from opentelemetry.trace import SpanKind

from gateway.http.routes import Route
from services.kit.boundary import DETAILS_KEY
from services.kit.channels import violations_in
from services.kit.errors import INTERNAL, KitError, Unavailable
from services.kit.telemetry import Attr, span
from services.kit.telemetry.attributes import put
from services.kit.txn_token import METADATA_KEY


class Peers:
    """The services behind this edge."""

    def __init__(self, channel: Callable[[str], Any]) -> None:
        self._channel = channel
        self._methods: dict[str, Any] = {}

    async def ask(self, route: Route, request: Any, token: str, at_most: float) -> Any:
        """Asks once; raises KitError with the service's own reason, violations and time to retry."""
        metadata: dict[str, str] = {METADATA_KEY: token} if token else {}
        with span(f"call {route.name}", {Attr.RPC_SYSTEM: "grpc", Attr.PEER: route.peer}, SpanKind.CLIENT) as active:
            propagate.inject(metadata)
            try:
                answer = await self._method(route)(request, timeout=at_most, metadata=list(metadata.items()))
            except aio.AioRpcError as error:
                put(active, {Attr.RPC_STATUS: error.code().name})
                raise error_of(route.peer, error) from None
            if answer is None:  # what grpc hands on when the answer's bytes cannot be decoded
                raise INTERNAL
            put(active, {Attr.RPC_STATUS: "OK"})
            return answer

    def _method(self, route: Route) -> Any:
        if route.path not in self._methods:
            self._methods[route.path] = self._channel(route.peer).unary_unary(
                route.path,
                request_serializer=route.request_type.SerializeToString,
                response_deserializer=route.response_type.FromString,
            )
        return self._methods[route.path]


def error_of(peer: str, error: aio.AioRpcError) -> KitError:
    """The error as the service raised it. Without details of ours it is not the service that speaks, but what lies
    between: its words stay behind."""
    info, wait = error_details_pb2.ErrorInfo(), None
    for key, value in error.trailing_metadata() or ():
        if key != DETAILS_KEY or not isinstance(value, bytes):
            continue
        for detail in status_pb2.Status.FromString(value).details:
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(info)
            if detail.Unpack(retry):
                wait = retry.retry_delay.ToTimedelta().total_seconds()
    if not info.reason:
        return Unavailable(peer)
    return KitError(error.code(), info.reason, error.details() or "", violations=violations_in(error), retry_after=wait)
