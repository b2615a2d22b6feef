"""One request and its answer, as Envoy shows them, event by event.

Envoy goes on without us when a stream of ours ends in order, so none does before Envoy ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hauberk.envoy.ext_proc.v3 import external_processor_pb2 as pb
from hauberk.envoy.ext_proc.v3 import processing_mode_pb2 as modes
from hauberk.envoy.type.v3 import http_status_pb2 as http
from hauberk.gateway.v1 import gateway_service_pb2 as gateway_pb

from gateway.edge import proc_answers as say
from gateway.edge.lanes import WayBack
from gateway.edge.openai import actions
from gateway.edge.openai.answer import read_answer
from gateway.edge.openai.chat_stream import ChatStream
from gateway.edge.openai.responses_stream import ResponsesStream
from gateway.edge.openai.strict import Refused
from gateway.edge.proc_admit import token_of
from gateway.edge.proc_answer import error_message, whole
from gateway.edge.proc_request import Passed, RequestSide
from gateway.edge.proc_stream import Machine, StreamedAnswer
from gateway.pipeline import ALLOW
from gateway.servicer import GatewayServicer
from gateway.stream import StreamState
from services.kit.beside import to_its_end
from services.kit.caller import current_call, current_workload
from services.kit.errors import FailedPrecondition, KitError

_Mode = modes.ProcessingMode
MAX_BODY = 8 << 20
_UNREADABLE = "The model's server answered with something that cannot be inspected."
_NOT_OURS = ("content-length", "content-encoding", "transfer-encoding")


class Exchange:
    """What happened so far; answers go into `out`."""

    def __init__(
        self,
        request: RequestSide,
        gateway: GatewayServicer,
        way: WayBack,
        out: asyncio.Queue[pb.ProcessingResponse | None],
    ) -> None:
        self._request = request
        self._gateway = gateway
        self._way = way
        self._out = out
        self._begun = False
        self._token = ""
        self._over = False
        self._local = False
        self._status = 0
        self._fields: dict[str, str] = {}
        self._body = bytearray()
        self._state: StreamState | None = None
        self._streamed: StreamedAnswer | None = None
        self._settled = False
        self.failed: Exception | None = None

    async def run(self, events: AsyncIterator[pb.ProcessingRequest]) -> None:
        """Until Envoy ends it; whatever then is not settled is."""
        try:
            async for event in events:
                if not self._begun:
                    self._begin(event)
                if not self._over:
                    await self._take(event)
        finally:
            await to_its_end(self._leave())

    def _begin(self, event: pb.ProcessingRequest) -> None:
        self._begun = True
        modes_given = (event.protocol_config.request_body_mode, event.protocol_config.response_body_mode)
        if event.observability_mode or modes_given != (_Mode.BUFFERED, _Mode.FULL_DUPLEX_STREAMED):
            raise FailedPrecondition("PROCESSING_MODE", "a mode that protects nothing")
        if not event.HasField("request_headers"):
            self._refused_before(event)
        self._token = token_of(event.metadata_context)

    def _refused_before(self, event: pb.ProcessingRequest) -> None:
        """An earlier filter refused, and its words pass by here; an answer of the model's server never does so."""
        status = say.fields_of(event.response_headers.headers).get(":status", "")
        if not event.HasField("response_headers") or status < "400":
            raise FailedPrecondition("PROCESSING_MODE", "the request was not shown")
        self._local = True

    async def _take(self, event: pb.ProcessingRequest) -> None:
        kind = event.WhichOneof("request")
        if self._local:
            await self._pass_on(event)
            return
        try:
            if kind == "request_headers":
                self._put(self._request.headers(event.request_headers))
            elif kind == "request_body":
                self._put(await self._request.body(event.request_body, self._token))
            elif kind == "response_headers":
                await self._answered(event.response_headers)
            elif kind == "response_body":
                part = event.response_body
                await self._part(part.body, end=part.end_of_stream or part.end_of_stream_without_message)
            elif kind == "response_trailers":
                await self._part(b"", end=True)
            elif kind == "request_trailers":
                self._put(say.trailers(kind))
        except Refused as refused:
            self._put(say.immediate(refused.status, refused.code, refused.message, refused.param))

    async def _pass_on(self, event: pb.ProcessingRequest) -> None:
        if event.HasField("response_headers"):
            self._put(say.response_headers({}, ()))
        elif event.HasField("response_body"):
            part = event.response_body
            await self._emit(part.body, part.end_of_stream or part.end_of_stream_without_message)

    def _put(self, answer: pb.ProcessingResponse) -> None:
        self._over = self._over or answer.HasField("immediate_response")
        self._out.put_nowait(answer)

    async def _answered(self, event: pb.HttpHeaders) -> None:
        passed = self._passed()
        self._fields = say.fields_of(event.headers)
        self._status = int(self._fields.get(":status", "0"))
        if self._status == 200 and self._media() == "text/event-stream" and not event.end_of_stream:
            self._state = await self._way.begin(
                passed.admission, current_workload().name, self._request.locale, grows=True
            )
            self._streamed = StreamedAnswer(
                self._way, self._state, _machine(passed), self._authorise, self._emit, self._fail
            )
            self._put(say.response_headers(passed.limits, _NOT_OURS))
        elif event.end_of_stream:
            await self._whole(passed)

    async def _part(self, piece: bytes, *, end: bool) -> None:
        if self._streamed is not None:
            await self._streamed.feed(piece, end=end)
            return
        self._body += piece
        if len(self._body) > MAX_BODY:
            await self._unreadable(self._passed())
        elif end:
            await self._whole(self._passed())

    async def _whole(self, passed: Passed) -> None:
        """The header fields waited for this: an answer that is an error has the status of one."""
        self._state = state = await self._way.begin(
            passed.admission, current_workload().name, self._request.locale, grows=False
        )
        if not 200 <= self._status < 300:
            await self._failed(passed, state)
            return
        try:
            readable = self._status == 200 and self._media() == "application/json"
            answered = readable and read_answer(passed.asked.interface, bytes(self._body), passed.original)
        except Refused:
            answered = None
        if not answered:
            await self._unreadable(passed)
            return
        self._settled = True
        body = await whole(self._way, state, answered, self._authorise)
        self._put(say.response_headers({**passed.limits, "content-type": "application/json"}, _NOT_OURS))
        await self._emit(body, True)

    async def _failed(self, passed: Passed, state: StreamState) -> None:
        message, code = await error_message(self._way, state, bytes(self._body) if self._plain() else b"")
        self._settled = True
        await self._way.give_back(state)
        fields = dict(passed.limits)
        if self._fields.get("retry-after", "").isdigit():
            fields["retry-after"] = self._fields["retry-after"]
        known = self._status in http.StatusCode.values() and self._status >= 400
        self._put(say.immediate(self._status if known else 502, code, message, fields=fields))

    async def _unreadable(self, passed: Passed) -> None:
        """The model was asked, so it is settled; but nothing of this can be shown."""
        self._put(say.immediate(502, "upstream_error", _UNREADABLE, fields=passed.limits))
        await self._leave()

    async def _emit(self, data: bytes, end: bool) -> None:
        for answer in say.response_body(data, end=end) if data or end else ():
            self._put(answer)
        self._over = self._over or end

    def _fail(self, error: Exception) -> None:
        self.failed = error
        self._over = True
        self._out.put_nowait(None)

    async def _authorise(self, call: actions.Call) -> str | None:
        passed = self._passed()
        current_call().recorded = False
        question = gateway_pb.AuthorizeToolCallRequest(
            admission=passed.admission, tool=call.tool, arguments_json=call.arguments, locale=self._request.locale
        )
        try:
            answer = await self._gateway.AuthorizeToolCall(question, None)
        except (KitError, TimeoutError):
            return ""
        if answer.outcome != ALLOW:
            return answer.safe_reply.text
        call.allow(answer.arguments_json)
        return None

    def _passed(self) -> Passed:
        if self._request.passed is None:
            raise FailedPrecondition("PROCESSING_MODE", "the request was not shown")
        return self._request.passed

    def _media(self) -> str:
        return self._fields.get("content-type", "").partition(";")[0].strip().lower() if self._plain() else ""

    def _plain(self) -> bool:
        return self._fields.get("content-encoding", "identity") == "identity"

    async def _leave(self) -> None:
        call = current_call()
        call.recorded = call.recorded or self._request.passed is not None
        if self._streamed is not None:
            await self._streamed.leave()
        elif self._request.passed is not None and not self._settled:
            self._settled = True
            passed = self._request.passed
            held = self._state or StreamState(passed.admission, current_workload().name, self._request.locale)
            await self._way.abandon(held)


def _machine(passed: Passed) -> Machine:
    if passed.asked.interface == "responses":
        return ResponsesStream(passed.original)
    return ChatStream(shows_usage=passed.asked.shows_usage)
