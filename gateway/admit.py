"""Admit's stages over the services: each asks one service and keeps what later stages need."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.redaction.v1 import redaction_service_pb2 as redaction

from gateway.clients import Services
from gateway.estimate import estimated_cost
from gateway.pipeline import ALLOW, Pipeline, Result
from gateway.settings import GatewaySettings
from gateway.stages import STAGES
from services.kit.errors import Unavailable

NOTHING_AGAINST = Result(ALLOW, decision.REASON_NONE)


def new_txn() -> str:
    """A transaction id: unguessable, so that it can also name the reservation."""
    return str(uuid.uuid4())


@dataclass(slots=True)
class Work:
    """One request on its way through the chain."""

    request: pb.AdmitRequest
    holder: str
    txn: str = field(default_factory=new_txn)
    token: str = ""
    brand: str = ""
    reserving: bool = False
    decided: ratelimit.DecideResponse = field(default_factory=ratelimit.DecideResponse)
    redacted: redaction.RedactResponse = field(default_factory=redaction.RedactResponse)
    admission: auth.OpenAdmissionResponse = field(default_factory=auth.OpenAdmissionResponse)


class Admit:
    """The chain of Admit."""

    def __init__(self, services: Services, settings: GatewaySettings) -> None:
        self._services = services
        self._settings = settings
        self.pipeline: Pipeline[Work] = Pipeline(
            STAGES,
            {
                "address": self._address,
                "auth": self._authenticate,
                "tenancy": self._authorize,
                "ratelimit": self._reserve,
                "redaction": self._redact,
                "admission": self._open_admission,
            },
        )

    async def _address(self, work: Work) -> Result:
        if not work.request.client_address:
            return NOTHING_AGAINST
        answer = await self._services.decide_address(work.request.client_address)
        return Result(answer.outcome, answer.reason, answer.retry_after.ToTimedelta().total_seconds(), answer.degraded)

    async def _authenticate(self, work: Work) -> Result:
        request = work.request
        question = auth.AuthenticateRequest(
            credential=request.credential,
            brand=request.brand,
            origin=request.origin,
            client_address=request.client_address,
            user_agent=request.user_agent,
            on_behalf_of=work.holder,
            txn=work.txn,
        )
        if request.HasField("challenge"):
            question.challenge.CopyFrom(request.challenge)
        answer = await self._services.authenticate(question)
        work.token, work.brand = answer.txn_token, answer.principal.brand
        return Result(answer.outcome, answer.reason)

    async def _authorize(self, work: Work) -> Result:
        answer = await self._services.may_chat(work.token, work.brand)
        return Result(answer.outcome, answer.reason)

    async def _reserve(self, work: Work) -> Result:
        work.reserving = True  # from here on there may be a hold, whatever becomes of the answer
        cost = estimated_cost(work.request, self._settings.default_output_tokens)
        work.decided = await self._services.reserve(work.token, work.txn, cost, self._settings.hold_seconds)
        decided = work.decided
        wait = decided.retry_after.ToTimedelta().total_seconds()
        return Result(decided.outcome, decided.reason, wait, decided.degraded)

    async def _redact(self, work: Work) -> Result:
        texts = [message.text for message in work.request.messages]
        work.redacted = await self._services.redact(work.token, work.request.conversation, texts)
        if len(work.redacted.texts) != len(texts):  # never show what was not looked at
            raise Unavailable("redaction")
        found = any(text.findings for text in work.redacted.texts)
        reason = decision.REASON_PERSONAL_DATA_REPLACED if found else decision.REASON_NONE
        return Result(ALLOW, reason, degraded=work.redacted.degraded)

    async def _open_admission(self, work: Work) -> Result:
        request = auth.OpenAdmissionRequest(
            conversation=work.request.conversation, holder=work.holder, reservation=work.decided.reservation
        )
        request.ttl.FromMilliseconds(round(self._settings.hold_seconds * 1000))
        work.admission = await self._services.open_admission(work.token, request)
        if not work.admission.admission:
            raise Unavailable("auth")
        return NOTHING_AGAINST
