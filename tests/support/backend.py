"""A product backend's own hands on a stack: one workload over mTLS, its users' credentials, nothing else."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import grpc
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.client import BACKEND, Seeded
from embedded.stack import Stack
from services.kit.txn_token import METADATA_KEY

DEADLINE = 5.0
# Free in money, so that no test spends another one's budget.
FREE = pb.Estimate(model="self-hosted", output_tokens=50)
Metadata = tuple[tuple[str, str], ...]


def fresh(prefix: str) -> str:
    """A name that nobody used."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def by_key(key: str) -> auth.Credential:
    return auth.Credential(api_key=key)


def user(text: str) -> pb.ChatMessage:
    return pb.ChatMessage(role=common.ROLE_USER, source=common.SOURCE_USER, text=text)


def retrieved(text: str) -> pb.ChatMessage:
    return pb.ChatMessage(role=common.ROLE_TOOL, source=common.SOURCE_RETRIEVED, text=text)


def proof(token: str) -> Metadata:
    """The metadata of a direct call."""
    return ((METADATA_KEY, token),)


class Backend:
    """What `workload` can do."""

    def __init__(self, stack: Stack, workload: str = BACKEND) -> None:
        self.stack = stack
        self.workload = workload
        self.gateway = GatewayServiceStub(self.channel("gateway"))

    def channel(self, kind: str) -> aio.Channel:
        return self.stack.channel(kind, self.workload)

    async def admit(
        self, credential: auth.Credential, *messages: pb.ChatMessage | str, conversation: str = "", **more: Any
    ) -> pb.AdmitResponse:
        """An ordinary Admit of these messages."""
        shown = [user(message) if isinstance(message, str) else message for message in messages]
        more.setdefault("estimate", FREE)
        more.setdefault("brand", "")
        request = pb.AdmitRequest(
            credential=credential, conversation=conversation or fresh("talk"), messages=shown or [user("Hello")], **more
        )
        answer: pb.AdmitResponse = await self.gateway.Admit(request, timeout=DEADLINE)
        return answer

    async def admitted(self, credential: auth.Credential, *messages: pb.ChatMessage | str, **more: Any) -> str:
        """The admission of a request that must be allowed."""
        answer = await self.admit(credential, *messages, **more)
        assert allowed(answer), said(answer)
        return str(answer.admission)

    async def complete(self, admission: str, text: str, **more: Any) -> pb.CompleteResponse:
        request = pb.CompleteRequest(admission=admission, text=text, **more)
        answer: pb.CompleteResponse = await self.gateway.Complete(request, timeout=DEADLINE)
        return answer

    async def stream(self, admission: str, pieces: Iterable[str]) -> tuple[str, pb.CompleteResponse]:
        """Everything that was shown, and the result."""
        shown, result = "", pb.CompleteResponse()
        async for answer in self.gateway.CompleteStream(_streamed(admission, pieces), timeout=DEADLINE * 2):
            shown += answer.chunk
            if answer.HasField("result"):
                result = answer.result
        return shown, result

    async def call_tool(self, admission: str, tool: str, arguments: str, **more: Any) -> pb.AuthorizeToolCallResponse:
        request = pb.AuthorizeToolCallRequest(admission=admission, tool=tool, arguments_json=arguments, **more)
        answer: pb.AuthorizeToolCallResponse = await self.gateway.AuthorizeToolCall(request, timeout=DEADLINE)
        return answer

    async def authenticate(self, credential: auth.Credential, brand: str = "") -> auth.AuthenticateResponse:
        request = auth.AuthenticateRequest(credential=credential, brand=brand)
        answer: auth.AuthenticateResponse = await AuthServiceStub(self.channel("auth")).Authenticate(
            request, timeout=DEADLINE
        )
        return answer

    async def proof(self, credential: auth.Credential, brand: str = "") -> Metadata:
        """The metadata of direct calls as this caller."""
        answer = await self.authenticate(credential, brand)
        assert answer.txn_token, common.Reason.Name(answer.reason)
        return proof(answer.txn_token)

    async def administer(self, organisation: Seeded | None = None) -> Metadata:
        """As the first administrator."""
        own = organisation or self.stack.main
        return await self.proof(by_key(own.api_key), own.brand)

    async def member(self, name: str = "", organisation: Seeded | None = None, **more: Any) -> auth.Credential:
        """A member who was not there before, and their credential; `roles` and `brands` as given."""
        own = organisation or self.stack.main
        name = name or fresh("user")
        member = tenancy.Member(user=name, roles=more.get("roles", ["member"]), brands=more.get("brands", []))
        await TenancyServiceStub(self.channel("tenancy")).PutMember(
            tenancy.PutMemberRequest(member=member), timeout=DEADLINE, metadata=await self.administer(own)
        )
        return auth.Credential(jwt=self.stack.user_jwt(name, own.organisation))

    async def brand(self, name: str = "") -> str:
        """Another brand of the first organisation."""
        made = tenancy.Brand(brand=name or fresh("brand"), display_name="Another")
        await TenancyServiceStub(self.channel("tenancy")).PutBrand(
            tenancy.PutBrandRequest(brand=made), timeout=DEADLINE, metadata=await self.administer()
        )
        return str(made.brand)

    async def tool(self, schema: str, permission: str = "chat.send", name: str = "", **more: Any) -> str:
        """Registers a tool for the first organisation."""
        more.setdefault("description", "x")
        made = guardrail.Tool(tool=name or fresh("tool"), schema_json=schema, permission=permission, **more)
        await GuardrailServiceStub(self.channel("guardrail")).PutTool(
            guardrail.PutToolRequest(tool=made), timeout=DEADLINE, metadata=await self.administer()
        )
        return str(made.tool)


async def _streamed(admission: str, pieces: Iterable[str]) -> AsyncIterator[pb.CompleteStreamRequest]:
    yield pb.CompleteStreamRequest(admission=admission)
    for piece in pieces:
        yield pb.CompleteStreamRequest(chunk=piece)


def allowed(answer: Any) -> bool:
    """Of any response with an outcome."""
    return bool(answer.outcome == common.OUTCOME_ALLOW)


def said(answer: Any) -> str:
    """Outcome and reason as words: `DENY INJECTION`, of Admit with the stage."""
    outcome = common.Outcome.Name(answer.outcome).removeprefix("OUTCOME_")
    reason = common.Reason.Name(answer.reason).removeprefix("REASON_")
    by = getattr(answer, "decided_by", "")
    return f"{outcome} {reason}" + (f" by {by}" if by else "")


def refusing_stage(verdicts: Sequence[common.Verdict]) -> str:
    """The first stage that ran and did not allow; empty when none."""
    ran = [v for v in verdicts if v.reason != common.REASON_NOT_REACHED]
    return next((str(v.stage) for v in ran if v.outcome != common.OUTCOME_ALLOW), "")


async def status_of(call: Any) -> grpc.StatusCode:
    """The status of a call; OK when it answers."""
    try:
        await call
    except aio.AioRpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def stable(answer: Any) -> Any:
    """What two answers to different secrets must have in common: everything but ids and times."""
    copy = type(answer)()
    copy.CopyFrom(answer)
    for name in ("txn", "trace_id"):
        copy.ClearField(name)
    for verdict in copy.verdicts:
        verdict.ClearField("duration")
    return copy
