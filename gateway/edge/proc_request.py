"""The request's half: which interface, who asks, may they; and the body that the model's server gets."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field

from hauberk.common.v1 import decision_pb2 as decision
from hauberk.envoy.ext_proc.v3 import external_processor_pb2 as pb
from hauberk.gateway.v1 import gateway_service_pb2 as gateway_pb

from gateway.edge import proc_answers as say
from gateway.edge.openai import errors
from gateway.edge.openai.asked import Asked, Interface
from gateway.edge.openai.chat_request import read_chat
from gateway.edge.openai.responses_request import read_responses
from gateway.edge.openai.strict import Json, Refused, read
from gateway.edge.proc_admit import ProvenAdmit, Prover, question
from gateway.pipeline import ALLOW
from gateway.servicer import GatewayServicer
from gateway.settings import GatewaySettings
from services.kit.caller import current_workload
from services.kit.errors import FailedPrecondition, InvalidArgument

# What the model's server may know of a client. Not `accept-encoding`: what is compressed could not be looked at.
_PASSED = frozenset({"content-type", "content-length", "accept", "traceparent", "tracestate"})
_PATH = re.compile(r"(?:/[A-Za-z0-9._-]+)*/(chat/completions|responses)(?:\?api-version=[A-Za-z0-9.-]{1,32})?")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")


@dataclass(slots=True)
class Passed:
    """A request that went on to the model's server. `original` is what its client wrote."""

    asked: Asked
    original: Json
    admission: str
    limits: dict[str, str] = field(default_factory=dict)


class RequestSide:
    """One request. Methods raise Refused for what gets a plain error."""

    def __init__(self, gateway: GatewayServicer, admit: ProvenAdmit, prover: Prover, settings: GatewaySettings) -> None:
        self._gateway = gateway
        self._admit = admit
        self._prover = prover
        self._settings = settings
        self._interface: Interface | None = None
        self.locale = ""
        self.passed: Passed | None = None

    def headers(self, event: pb.HttpHeaders) -> pb.ProcessingResponse:
        """Which interface is asked; of the fields only what a model's server needs goes on."""
        fields = say.fields_of(event.headers)
        matched = _PATH.fullmatch(fields.get(":path", ""))
        if matched is None:
            raise Refused("unknown_url", "There is no such interface here.", status=404)
        if fields.get(":method") != "POST" or event.end_of_stream:
            raise Refused("method_not_supported", "A request with a body is expected here: POST.", status=405)
        if fields.get("content-encoding", "identity") != "identity":
            raise Refused("unsupported_encoding", "A compressed body cannot be inspected.", status=415)
        if fields.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused("unsupported_media_type", "A body of application/json is expected here.", status=415)
        self._interface = "responses" if matched[1] == "responses" else "chat"
        language = fields.get("accept-language", "").partition(",")[0].partition(";")[0].strip()
        self.locale = language if len(language) <= 35 and _LOCALE.fullmatch(language) else ""
        names = dict.fromkeys(one.key.lower() for one in event.headers.headers)
        return say.request_headers(name for name in names if not name.startswith(":") and name not in _PASSED)

    async def body(self, event: pb.HttpBody, token: str) -> pb.ProcessingResponse:
        """Admits it; what goes on is what was admitted."""
        if self._interface is None or not event.end_of_stream:
            raise FailedPrecondition("PROCESSING_MODE", "request_body_mode must be BUFFERED")
        body = read(event.body)
        original = copy.deepcopy(body)
        asked = read_chat(body) if self._interface == "chat" else read_responses(body)
        request = question(asked, self._settings.default_output_tokens, self.locale)
        work = self._prover.work(token, current_workload().name, request)
        try:
            admitted = await self._gateway.admit(self._admit.pipeline, work)
        except InvalidArgument:  # a bound of a service's own contract
            raise Refused("invalid_value", "The request is not within what can be inspected.") from None
        if admitted.outcome != ALLOW:
            return _refusal(admitted)
        self.passed = Passed(asked, original, admitted.admission, dict(admitted.header_fields))
        texts = [message.text for message in admitted.messages]
        return say.request_body(asked.sanitised(texts, work.decided.reserved_output_tokens, admitted.canary))


def _refusal(admitted: gateway_pb.AdmitResponse) -> pb.ProcessingResponse:
    reason = admitted.reason
    limited = admitted.outcome == decision.OUTCOME_THROTTLE
    status = 429 if limited else errors.status_of(reason)
    fields = dict(admitted.header_fields)
    if admitted.outcome == decision.OUTCOME_CHALLENGE:
        status = 403
    return say.immediate(status, errors.code_of(reason), admitted.safe_reply.text, fields=fields)
