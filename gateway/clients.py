"""The services as the gateway sees them: one method per question, generated stubs underneath."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as ratelimit_grpc
from hauberk.redaction.v1 import redaction_service_pb2 as redaction
from hauberk.redaction.v1 import redaction_service_pb2_grpc as redaction_grpc
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_grpc

from services.kit.channels import Client

# The stage's own share of the deadline is shorter; this only bounds calls outside of any stage.
AT_MOST = 10.0


class Services:
    """Clients of the services of the chain. Every method raises errors of the kit when a service cannot decide."""

    def __init__(self, channel: Callable[[str], aio.Channel]) -> None:
        self._auth = auth_grpc.AuthServiceStub(channel("auth"))
        self._tenancy = tenancy_grpc.TenancyServiceStub(channel("tenancy"))
        self._ratelimit = ratelimit_grpc.RateLimitServiceStub(channel("ratelimit"))
        self._redaction = redaction_grpc.RedactionServiceStub(channel("redaction"))
        self._clients = {name: Client(name) for name in ("auth", "tenancy", "ratelimit", "redaction")}

    async def _ask(self, peer: str, name: str, method: Any, request: Any, token: str = "") -> Any:
        return await self._clients[peer].call(method, request, at_most=AT_MOST, token=token, name=f"{peer}.{name}")

    async def decide_address(self, client_address: str) -> ratelimit.DecideAddressResponse:
        """The limit of a client address."""
        request = ratelimit.DecideAddressRequest(client_address=client_address)
        answer: ratelimit.DecideAddressResponse = await self._ask(
            "ratelimit", "DecideAddress", self._ratelimit.DecideAddress, request
        )
        return answer

    async def authenticate(self, request: auth.AuthenticateRequest) -> auth.AuthenticateResponse:
        """Who is asking."""
        answer: auth.AuthenticateResponse = await self._ask("auth", "Authenticate", self._auth.Authenticate, request)
        return answer

    async def may_chat(self, token: str, brand: str) -> tenancy.AuthorizeResponse:
        """May the caller send a message to the brand's model?"""
        request = tenancy.AuthorizeRequest(action="chat.send", resource=tenancy.Resource(type="Brand", id=brand))
        answer: tenancy.AuthorizeResponse = await self._ask(
            "tenancy", "Authorize", self._tenancy.Authorize, request, token
        )
        return answer

    async def reserve(
        self, token: str, request_id: str, cost: ratelimit.Cost, hold_seconds: float
    ) -> ratelimit.DecideResponse:
        """Every limit and budget of the caller; reserves when all allow."""
        request = ratelimit.DecideRequest(mode=ratelimit.MODE_RESERVE, request_id=request_id, cost=cost)
        request.hold_ttl.FromTimedelta(timedelta(seconds=hold_seconds))
        answer: ratelimit.DecideResponse = await self._ask(
            "ratelimit", "Decide", self._ratelimit.Decide, request, token
        )
        return answer

    async def release(self, token: str, reservation: str) -> ratelimit.ReleaseResponse:
        """Gives tokens and money back; the request stays charged."""
        request = ratelimit.ReleaseRequest(reservation=reservation, keep_requests=True)
        answer: ratelimit.ReleaseResponse = await self._ask(
            "ratelimit", "Release", self._ratelimit.Release, request, token
        )
        return answer

    async def redact(self, token: str, conversation: str, texts: list[str]) -> redaction.RedactResponse:
        """The texts with placeholders."""
        request = redaction.RedactRequest(conversation=conversation, texts=texts)
        answer: redaction.RedactResponse = await self._ask(
            "redaction", "Redact", self._redaction.Redact, request, token
        )
        return answer

    async def open_admission(self, token: str, request: auth.OpenAdmissionRequest) -> auth.OpenAdmissionResponse:
        """The handle for what follows."""
        answer: auth.OpenAdmissionResponse = await self._ask(
            "auth", "OpenAdmission", self._auth.OpenAdmission, request, token
        )
        return answer
