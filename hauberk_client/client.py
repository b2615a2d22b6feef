"""The gateway's four questions, typed: admit, complete (whole or streamed), authorise a tool call."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub

from hauberk_client import decisions, tracing
from hauberk_client.calls import ask
from hauberk_client.connection import Connection
from hauberk_client.decisions import Admission, Answer, ToolCall
from hauberk_client.stream import Stream, Usage

Propagate = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Message:
    """One message for the model; `source` is USER, SYSTEM, RETRIEVED and so on, empty = by the role."""

    text: str
    role: str = "USER"
    source: str = ""

    def to_proto(self) -> pb.ChatMessage:
        """Raises ValueError for a role or source that the contract does not have."""
        source = common.Source.Value(f"SOURCE_{self.source}") if self.source else common.SOURCE_UNSPECIFIED
        return pb.ChatMessage(role=common.Role.Value(f"ROLE_{self.role}"), source=source, text=self.text)


class Client:
    """Asks the gateway. A refusal is an answer that is not `allowed`; `Undecided` is raised when there is no answer."""

    def __init__(
        self,
        connection: Connection,
        credential: auth.Credential | None = None,
        *,
        brand: str = "",
        deadline: float = 3.0,
        stream_deadline: float = 300.0,
        propagate: Propagate = tracing.headers,
    ) -> None:
        """`credential` and `brand` are for calls that name none; `propagate` gives the trace headers of a call."""
        self._connection = connection
        self._credential = credential
        self._brand = brand
        self._deadline = deadline
        self._stream_deadline = stream_deadline
        self._propagate = propagate

    @property
    def _gateway(self) -> GatewayServiceStub:
        return GatewayServiceStub(self._connection.channel("gateway"))

    async def admit(
        self,
        messages: str | Iterable[str | Message],
        *,
        conversation: str,
        credential: auth.Credential | None = None,
        brand: str = "",
        model: str = "",
        output_tokens: int = 0,
        **more: Any,
    ) -> Admission:
        """May this go to a model, and with which words? `more` are further fields of AdmitRequest."""
        presented = credential or self._credential
        if presented is None:
            raise ValueError("a credential is needed, here or at the client")
        shown = [messages] if isinstance(messages, str) else list(messages)
        request = pb.AdmitRequest(
            credential=presented,
            brand=brand or self._brand,
            conversation=conversation,
            messages=[(Message(item) if isinstance(item, str) else item).to_proto() for item in shown],
            estimate=pb.Estimate(model=model, output_tokens=output_tokens) if model or output_tokens else None,
            **more,
        )
        return decisions.admission(await self._ask(self._gateway.Admit, request))

    async def complete(self, admission: Admission | str, text: str, usage: Usage | None = None, **more: Any) -> Answer:
        """May this answer be shown, and with which words? Settles what was reserved."""
        used = usage or Usage()
        request = pb.CompleteRequest(
            admission=_handle(admission),
            text=text,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            model=used.model,
            **more,
        )
        return decisions.completed(await self._ask(self._gateway.Complete, request))

    def complete_stream(
        self,
        admission: Admission | str,
        pieces: AsyncIterable[str | Usage] | AsyncIterator[str | Usage],
        *,
        locale: str = "",
    ) -> Stream:
        """The same, piece by piece: iterate over it, then look at its `result`. A last piece may be a Usage."""
        return Stream(
            self._gateway.CompleteStream,
            _handle(admission),
            pieces,
            locale=locale,
            timeout=self._stream_deadline,
            metadata=self._propagate(),
        )

    async def authorize_tool_call(self, admission: Admission | str, tool: str, arguments: str, **more: Any) -> ToolCall:
        """May this tool call that a model wrote be made? `arguments` as the model wrote them, not parsed before."""
        request = pb.AuthorizeToolCallRequest(admission=_handle(admission), tool=tool, arguments_json=arguments, **more)
        return decisions.tool_call(await self._ask(self._gateway.AuthorizeToolCall, request))

    async def _ask(self, method: Any, request: Any) -> Any:
        return await ask(method, request, timeout=self._deadline, metadata=self._propagate())


def _handle(admission: Admission | str) -> str:
    if isinstance(admission, str):
        return admission
    if not admission.allowed:
        raise ValueError("this was refused: there is nothing to complete or to call")
    return admission.handle
