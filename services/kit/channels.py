"""Calling a peer: mTLS channels, and a client that passes on trace and deadline and maps failures."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc
from google.rpc import status_pb2
from grpc import aio
from opentelemetry import propagate
from opentelemetry.trace import SpanKind

from services.kit.deadline import remaining
from services.kit.errors import DeadlineExceeded, InvalidArgument, Unavailable, Violation
from services.kit.renewing import RenewingChannel
from services.kit.telemetry import Attr, span
from services.kit.telemetry.attributes import Plain, put
from services.kit.telemetry.tracing import detached_span
from services.kit.tls import INTERNAL_DOMAIN, TlsFiles, channel_credentials
from services.kit.txn_token import METADATA_KEY

MAX_MESSAGE = 16 * 1024 * 1024

STREAM_AT_MOST = 3600.0
_SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


def connect(address: str, kind: str, files: TlsFiles) -> aio.Channel:
    """A channel to the service `kind` at `address`; its certificate must carry that kind's name.

    It follows the files: renewed certificates and authorities count for the calls that begin after them.
    """
    options = [
        ("grpc.ssl_target_name_override", f"{kind}.{INTERNAL_DOMAIN}"),
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        # A peer that comes back is found within a second, not after gRPC's two minutes of back-off.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # One whose machine is gone in silence is given up during the first calls, and asked for anew.
        ("grpc.keepalive_time_ms", 5_000),
        ("grpc.keepalive_timeout_ms", 2_000),
    ]

    def dial(current: tuple[bytes, bytes, bytes]) -> aio.Channel:
        return aio.secure_channel(address, channel_credentials(current), options=options)

    return RenewingChannel(files, dial)


class PeerError(Unavailable):
    """A peer could not decide; `code` is its status, its text stays behind."""

    def __init__(self, peer: str, code: grpc.StatusCode) -> None:
        super().__init__(peer)
        self.peer_code = code


class Client:
    """Calls the methods of one peer."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    async def call(self, method: Any, request: Any, *, at_most: float, token: str = "", name: str = "") -> Any:
        """Asks once, within `at_most` seconds and the current call's deadline.

        Raises DeadlineExceeded when the time is spent, InvalidArgument when the peer names wrong fields, else
        PeerError.
        """
        timeout = remaining(at_most)
        with span(
            f"call {name or self.peer}", {Attr.RPC_SYSTEM: "grpc", Attr.PEER: self.peer}, SpanKind.CLIENT
        ) as active:
            try:
                answer = await method(request, timeout=timeout, metadata=_metadata(token))
            except aio.AioRpcError as error:
                put(active, {Attr.RPC_STATUS: error.code().name})
                raise self._mapped(error) from None
            if answer is None:  # what grpc hands on when the answer's bytes cannot be decoded
                raise PeerError(self.peer, grpc.StatusCode.INTERNAL)
            put(active, {Attr.RPC_STATUS: "OK"})
            return answer

    async def stream(
        self, method: Any, requests: AsyncIterator[Any], *, token: str = "", name: str = ""
    ) -> AsyncGenerator[Any, None]:
        """Streams both ways until the current call's deadline; errors as those of `call`."""
        timeout = remaining(STREAM_AT_MOST)
        attributes: dict[Attr, Plain] = {Attr.RPC_SYSTEM: "grpc", Attr.PEER: self.peer}
        # Not made current: the consumer's own spans between two answers are no children of this one.
        with detached_span(f"call {name or self.peer}", attributes, SpanKind.CLIENT) as metadata:
            call = method(requests, timeout=timeout, metadata=[*metadata, *_token(token)])
            try:
                async for answer in call:
                    if answer is None:
                        raise PeerError(self.peer, grpc.StatusCode.INTERNAL)
                    yield answer
            except aio.AioRpcError as error:
                raise self._mapped(error) from None
            finally:
                call.cancel()  # when the consumer leaves early; else without effect

    def _mapped(self, error: aio.AioRpcError) -> Exception:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded()
        if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
            violations = violations_in(error)
            if violations:
                return InvalidArgument(*violations)
        return PeerError(self.peer, error.code())


def _metadata(token: str) -> list[tuple[str, str]]:
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return [*carrier.items(), *_token(token)]


def _token(token: str) -> list[tuple[str, str]]:
    return [(METADATA_KEY, token)] if token else []


def violations_in(error: aio.AioRpcError) -> list[Violation]:
    """Field violations carried by a status."""
    from google.rpc import error_details_pb2  # noqa: PLC0415 - only needed when something failed

    found: list[Violation] = []
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin" or not isinstance(value, bytes):
            continue
        for detail in status_pb2.Status.FromString(value).details:
            bad = error_details_pb2.BadRequest()
            if detail.Unpack(bad):
                found += [Violation(v.field, v.description) for v in bad.field_violations]
    return found
