"""Admit's stages over the services: each asks one service and keeps what later stages need."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.context_token.v1 import context_token_service_pb2 as context_token
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.redaction.v1 import redaction_service_pb2 as redaction

from gateway.clients import Services
from gateway.estimate import estimated_cost
from gateway.finaliser import Subject
from gateway.pipeline import ALLOW, DENY, Pipeline, Result
from gateway.settings import GatewaySettings
from gateway.stages import STAGES
from services.kit.errors import InvalidArgument, Unavailable

# Redaction has another process look for names. Where all share a loop, so many turns of it let that question leave
# before the guardrail is busy here: both then work at the same time, which is a tenth of the whole chain.
_TURNS = 6
NOTHING_AGAINST = Result(ALLOW, decision.REASON_NONE)
_PREFIX = 12


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
    cost: ratelimit.Cost = field(default_factory=ratelimit.Cost)
    context: bytes = b""
    canary: str = ""
    taint: bytes = b""
    prompt_prints: bytes = b""
    cleaned: list[str] = field(default_factory=list)
    context_token: str = ""
    principal: auth.Principal = field(default_factory=auth.Principal)
    over_limit: bool = False
    penalty: ratelimit.Penalty | None = None
    challenge_pass: str = ""
    challenge: str = ""
    action: str = "chat.send"

    def subject(self) -> Subject:
        """What the audit event is about."""
        request = self.request
        return Subject(
            "gateway.admit",
            self.txn,
            self.principal,
            request.client_address,
            request.user_agent,
            self.challenge or ("presented" if request.HasField("challenge") else ""),
            {
                "credential": request.credential.WhichOneof("kind") or "",
                "key_prefix": _beginning(request.credential.api_key),
                "milli_usd": str(-(-self.decided.micro_usd // 1000)) if self.decided.reservation else "",
            },
        )


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
                "guardrail": self._inspect,
                "redaction": self._redact,
                "context": self._hand_off,
                "admission": self._open_admission,
            },
        )

    @property
    def front(self) -> Mapping[str, Callable[[Work], Awaitable[Result]]]:
        """The stages that look at who asks and at nothing that was asked."""
        return {"address": self._address, "auth": self._authenticate, "tenancy": self._authorize}

    async def _address(self, work: Work) -> Result:
        if not work.request.client_address:
            return NOTHING_AGAINST
        answer = await self._services.decide_address(work.request.client_address)
        if answer.outcome == DENY and answer.HasField("penalty"):
            # Only then: an answer to a credential that is not accepted says nothing about anything else.
            work.penalty = answer.penalty
        wait = answer.retry_after.ToTimedelta().total_seconds()
        if answer.outcome == decision.OUTCOME_CHALLENGE and work.request.HasField("challenge"):
            # Verified by the next stage, which is closed; a failure of this one passes. The limit itself stays spent:
            # each solved challenge lets one request on, and auth bounds how many an address may bring.
            work.over_limit = True
            return Result(ALLOW, answer.reason, degraded=answer.degraded)
        return Result(answer.outcome, answer.reason, wait, answer.degraded)

    async def _authenticate(self, work: Work) -> Result:
        if work.over_limit and (refused := await self._solve(work)) is not None:
            return refused
        answer = await self._ask_who(work)
        if answer.outcome == decision.OUTCOME_CHALLENGE and work.request.HasField("challenge") and not work.challenge:
            if (refused := await self._solve(work)) is not None:
                return refused
            answer = await self._ask_who(work)
        if answer.outcome == ALLOW and work.over_limit and not answer.challenge_verified:
            # Solved, but at another organisation's or brand's page than the credential is for.
            return Result(DENY, decision.REASON_CHALLENGE_NOT_ACCEPTED)
        work.token, work.brand, work.context = answer.txn_token, answer.principal.brand, answer.context
        work.principal = answer.principal
        return Result(answer.outcome, answer.reason)

    async def _ask_who(self, work: Work) -> auth.AuthenticateResponse:
        request = work.request
        return await self._services.authenticate(
            auth.AuthenticateRequest(
                credential=request.credential,
                brand=request.brand,
                origin=request.origin,
                client_address=request.client_address,
                user_agent=request.user_agent,
                on_behalf_of=work.holder,
                txn=work.txn,
                challenge_pass=work.challenge_pass,
            )
        )

    async def _solve(self, work: Work) -> Result | None:
        """Has the presented challenge verified, once for each admission; None when nothing stands against going on."""
        request = work.request
        if not (request.organisation and request.brand):  # whose widget was it?
            return Result(decision.OUTCOME_CHALLENGE, decision.REASON_CHALLENGE_REQUIRED)
        work.challenge = "refused"
        answer = await self._services.verify_challenge(
            auth.VerifyChallengeRequest(
                organisation=request.organisation,
                brand=request.brand,
                challenge=request.challenge,
                client_address=request.client_address,
                request_id=work.txn,
            ),
            self._settings.challenge_budget,
        )
        if answer.outcome != ALLOW:
            return Result(answer.outcome, answer.reason)
        work.challenge, work.challenge_pass = "verified", getattr(answer, "pass")
        return None

    async def _authorize(self, work: Work) -> Result:
        answer = await self._services.may(work.token, work.action, work.brand)
        return Result(answer.outcome, answer.reason)

    async def _reserve(self, work: Work) -> Result:
        work.reserving = True  # from here on there may be a hold, whatever becomes of the answer
        work.cost = estimated_cost(work.request, self._settings.default_output_tokens)
        work.decided = await self._services.reserve(work.token, work.txn, work.cost, self._settings.hold_seconds)
        decided = work.decided
        if decided.HasField("penalty"):
            work.penalty = decided.penalty
        wait = decided.retry_after.ToTimedelta().total_seconds()
        return Result(decided.outcome, decided.reason, wait, decided.degraded)

    async def _inspect(self, work: Work) -> Result:
        parts = [guardrail.Part(source=_source(message), text=message.text) for message in work.request.messages]
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        answer = await self._services.inspect_input(work.token, parts, work.request.conversation)
        work.canary, work.taint = answer.canary, answer.taint
        work.prompt_prints, work.cleaned = answer.prompt_prints, list(answer.redacted)
        return Result(answer.outcome, answer.reason, observed=answer.observed)

    async def _redact(self, work: Work) -> Result:
        return await self._replace(work, [message.text for message in work.request.messages])

    async def _replace(self, work: Work, texts: list[str]) -> Result:
        formats = [_format(*pair) for pair in zip(work.request.messages, texts, strict=True)]
        try:
            work.redacted = await self._services.redact(work.token, work.request.conversation, texts, formats)
        except InvalidArgument:
            raise InvalidArgument.of("messages", "JSON where the media type says so") from None
        if len(work.redacted.texts) != len(texts):  # never show what was not looked at
            raise Unavailable("redaction")
        found = any(text.findings for text in work.redacted.texts)
        reason = decision.REASON_PERSONAL_DATA_REPLACED if found else decision.REASON_NONE
        return Result(ALLOW, reason, degraded=work.redacted.degraded)

    async def _hand_off(self, work: Work) -> Result:
        if not work.request.HasField("handoff"):
            return NOTHING_AGAINST
        wanted = work.request.handoff
        question = context_token.IssueRequest(
            target_brand=wanted.target_brand, body=wanted.body, single_use=wanted.single_use
        )
        if wanted.HasField("ttl"):
            question.ttl.CopyFrom(wanted.ttl)
        answer = await self._services.hand_off(work.token, question)
        work.context_token = answer.context_token
        return Result(answer.outcome, answer.reason)

    async def _open_admission(self, work: Work) -> Result:
        if work.cleaned:
            # Guardrail took something out, while redaction looked at the texts as they came: only the rest goes on.
            if len(work.cleaned) != len(work.request.messages):
                raise Unavailable("guardrail")
            await self._replace(work, work.cleaned)
        request = auth.OpenAdmissionRequest(
            conversation=work.request.conversation,
            holder=work.holder,
            reservation=work.decided.reservation,
            input_tokens=work.cost.input_tokens,
            model=work.cost.model,
            output_tokens=work.decided.reserved_output_tokens,
            taint=work.taint,
            prompt_prints=work.prompt_prints,
        )
        request.ttl.FromMilliseconds(round(self._settings.hold_seconds * 1000))
        work.admission = await self._services.open_admission(work.token, request)
        if not work.admission.admission:
            raise Unavailable("auth")
        return NOTHING_AGAINST


# Where a text comes from when the caller does not say; a role that is not stated stays untrusted.
_SOURCES = {
    decision.ROLE_SYSTEM: decision.SOURCE_SYSTEM,
    decision.ROLE_USER: decision.SOURCE_USER,
    decision.ROLE_ASSISTANT: decision.SOURCE_MEMORY,
    decision.ROLE_TOOL: decision.SOURCE_TOOL_OUTPUT,
}


def _beginning(key: str) -> str:
    """A digest of the characters that a key begins with, which prove nothing; the same that auth reports."""
    return "d" + hashlib.sha256(key[:_PREFIX].encode("utf-8", "surrogatepass")).hexdigest()[:16] if key else ""


def _format(message: pb.ChatMessage, text: str) -> redaction.RedactFormat.ValueType:
    """JSON stays JSON: where it is declared, and where a tool gave it back."""
    media = message.media_type.partition(";")[0].strip().lower()
    if media == "application/json" or media.endswith("+json"):
        # What guardrail took something out of may be JSON no longer.
        return redaction.REDACT_FORMAT_JSON if text == message.text else redaction.REDACT_FORMAT_AUTO
    if not media and (message.role == decision.ROLE_TOOL or message.source == decision.SOURCE_TOOL_OUTPUT):
        return redaction.REDACT_FORMAT_AUTO
    return redaction.REDACT_FORMAT_TEXT


def _source(message: pb.ChatMessage) -> decision.Source.ValueType:
    return message.source or _SOURCES.get(message.role, decision.SOURCE_UNSPECIFIED)
