"""The rate limiter over gRPC, as far as auth needs it: to be told of refused credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as rpc

from services.auth.flows.abuse_reports import Refusal
from services.kit.channels import Client
from services.kit.errors import Unavailable
from services.kit.settings import SettingsError

AT_MOST_SECONDS = 2.0


class PeerRateLimiter:
    """`services.auth.flows.abuse_reports.Reporter`. The channel is made at the first report: readiness never waits for
    that peer, and an auth service without its address goes on without reporting."""

    def __init__(self, channel: Callable[[], Any]) -> None:
        self._channel = channel
        self._stub: rpc.RateLimitServiceStub | None = None
        self._client = Client("ratelimit")

    async def auth_failed(self, refusal: Refusal) -> None:
        """Counts one refused credential."""
        if self._stub is None:
            try:
                self._stub = rpc.RateLimitServiceStub(self._channel())
            except SettingsError:
                raise Unavailable("ratelimit") from None
        request = pb.SignalAddressRequest(
            kind="auth_failed",
            event_id=refusal.event,
            client_address=refusal.client_address,
            key_prefix=refusal.key_prefix,
        )
        await self._client.call(
            self._stub.SignalAddress, request, at_most=AT_MOST_SECONDS, name="ratelimit.SignalAddress"
        )
