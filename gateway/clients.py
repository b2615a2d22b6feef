"""The services as the gateway sees them: one method per question, generated stubs underneath."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.context_token.v1 import context_token_service_pb2 as context_token
from hauberk.context_token.v1 import context_token_service_pb2_grpc as context_token_grpc
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.guardrail.v1 import guardrail_service_pb2_grpc as guardrail_grpc
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as ratelimit_grpc
from hauberk.redaction.v1 import redaction_service_pb2 as redaction
from hauberk.redaction.v1 import redaction_service_pb2_grpc as redaction_grpc
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_grpc

from services.kit.channels import Client

# The stage's own share of the deadline is shorter; this only bounds calls outside of any stage.
AT_MOST = 10.0
PEERS = ("auth", "tenancy", "ratelimit", "redaction", "guardrail", "context-token")


class Services:
    """Clients of the services of the chain. Every method raises errors of the kit when a service cannot decide."""

    def __init__(self, channel: Callable[[str], aio.Channel]) -> None:
        self._auth = auth_grpc.AuthServiceStub(channel("auth"))
        self._tenancy = tenancy_grpc.TenancyServiceStub(channel("tenancy"))
        self._ratelimit = ratelimit_grpc.RateLimitServiceStub(channel("ratelimit"))
        self._redaction = redaction_grpc.RedactionServiceStub(channel("redaction"))
        self._guardrail = guardrail_grpc.GuardrailServiceStub(channel("guardrail"))
        self._context_token = context_token_grpc.ContextTokenServiceStub(channel("context-token"))
        self._clients = {name: Client(name) for name in PEERS}

    async def _ask(
        self, peer: str, name: str, method: Any, request: Any, token: str = "", at_most: float = AT_MOST
    ) -> Any:
        return await self._clients[peer].call(method, request, at_most=at_most, token=token, name=f"{peer}.{name}")

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

    async def resolve_origin(self, request: auth.ResolveOriginRequest) -> auth.ResolveOriginResponse:
        """Whether a brand lists this origin."""
        answer: auth.ResolveOriginResponse = await self._ask("auth", "ResolveOrigin", self._auth.ResolveOrigin, request)
        return answer

    async def verify_challenge(
        self, request: auth.VerifyChallengeRequest, at_most: float
    ) -> auth.VerifyChallengeResponse:
        """Was this challenge solved, here and now?"""
        answer: auth.VerifyChallengeResponse = await self._ask(
            "auth", "VerifyChallenge", self._auth.VerifyChallenge, request, at_most=at_most
        )
        return answer

    async def may(self, token: str, action: str, brand: str) -> tenancy.AuthorizeResponse:
        """May the caller do this at the brand?"""
        request = tenancy.AuthorizeRequest(action=action, resource=tenancy.Resource(type="Brand", id=brand))
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

    async def take(self, token: str, request_id: str) -> ratelimit.DecideResponse:
        """Every limit of the caller; counts one request when all allow."""
        cost = ratelimit.Cost(requests=1)
        request = ratelimit.DecideRequest(mode=ratelimit.MODE_TAKE, request_id=request_id, cost=cost)
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

    async def extend(self, token: str, request: ratelimit.ExtendRequest, at_most: float) -> ratelimit.ExtendResponse:
        """More for a live reservation."""
        answer: ratelimit.ExtendResponse = await self._ask(
            "ratelimit", "Extend", self._ratelimit.Extend, request, token, at_most
        )
        return answer

    async def signal(self, token: str, request: ratelimit.SignalRequest, at_most: float) -> ratelimit.SignalResponse:
        """Reports abuse by the token's owner."""
        answer: ratelimit.SignalResponse = await self._ask(
            "ratelimit", "Signal", self._ratelimit.Signal, request, token, at_most
        )
        return answer

    async def redact(
        self, token: str, conversation: str, texts: list[str], formats: Sequence[redaction.RedactFormat.ValueType]
    ) -> redaction.RedactResponse:
        """The texts with placeholders; what is JSON stays JSON."""
        request = redaction.RedactRequest(conversation=conversation, texts=texts, formats=formats)
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

    async def go_on(self, admission: str, holder: str) -> auth.ContinueResponse:
        """The admitted transaction again, with a fresh token."""
        request = auth.ContinueRequest(admission=admission, on_behalf_of=holder)
        answer: auth.ContinueResponse = await self._ask("auth", "Continue", self._auth.Continue, request)
        return answer

    async def commit(self, token: str, reservation: str, used: ratelimit.Cost) -> ratelimit.CommitResponse:
        """Settles a reservation at what was used."""
        request = ratelimit.CommitRequest(reservation=reservation, used=used)
        answer: ratelimit.CommitResponse = await self._ask(
            "ratelimit", "Commit", self._ratelimit.Commit, request, token
        )
        return answer

    async def inspect_input(
        self, token: str, parts: list[guardrail.Part], conversation: str
    ) -> guardrail.InspectInputResponse:
        """Is anything in these parts trying to steer the model?"""
        request = guardrail.InspectInputRequest(parts=parts, conversation=conversation, takes_redacted=True)
        answer: guardrail.InspectInputResponse = await self._ask(
            "guardrail", "InspectInput", self._guardrail.InspectInput, request, token
        )
        return answer

    async def inspect_output(
        self, token: str, request: guardrail.InspectOutputRequest
    ) -> guardrail.InspectOutputResponse:
        """May this answer be shown, and how?"""
        answer: guardrail.InspectOutputResponse = await self._ask(
            "guardrail", "InspectOutput", self._guardrail.InspectOutput, request, token
        )
        return answer

    async def describe_tool(self, token: str, tool: str) -> guardrail.DescribeToolResponse:
        """The tool, when the caller may use it."""
        request = guardrail.DescribeToolRequest(tool=tool)
        answer: guardrail.DescribeToolResponse = await self._ask(
            "guardrail", "DescribeTool", self._guardrail.DescribeTool, request, token
        )
        return answer

    async def check_tool_call(
        self, token: str, request: guardrail.CheckToolCallRequest
    ) -> guardrail.CheckToolCallResponse:
        """May the caller make this call?"""
        answer: guardrail.CheckToolCallResponse = await self._ask(
            "guardrail", "CheckToolCall", self._guardrail.CheckToolCall, request, token
        )
        return answer

    async def restore(self, token: str, request: redaction.RestoreRequest) -> redaction.RestoreResponse:
        """The caller's own values back, where they may stand."""
        answer: redaction.RestoreResponse = await self._ask(
            "redaction", "Restore", self._redaction.Restore, request, token
        )
        return answer

    def restore_stream(
        self, token: str, requests: AsyncIterator[redaction.RestoreStreamRequest]
    ) -> AsyncGenerator[redaction.RestoreStreamResponse, None]:
        """The same, piece by piece, for as long as the current call may take."""
        return self._clients["redaction"].stream(
            self._redaction.RestoreStream, requests, token=token, name="redaction.RestoreStream"
        )

    async def hand_off(self, token: str, request: context_token.IssueRequest) -> context_token.IssueResponse:
        """A context token for another brand."""
        answer: context_token.IssueResponse = await self._ask(
            "context-token", "Issue", self._context_token.Issue, request, token
        )
        return answer
