"""GatewayService: translates, runs the chains, and sees to it that every reservation is settled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as grpc_pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from gateway.admit import Admit, Work
from gateway.answers import Decision, decision_of, header_fields, note, time_left, trace_id, verdicts
from gateway.clients import Services
from gateway.complete import Answer, Complete
from gateway.estimate import counted_output
from gateway.finaliser import Finaliser
from gateway.pipeline import Pipeline, Ran
from gateway.replies import Listener, Replies
from gateway.settings import GatewaySettings
from gateway.settling import Settling
from gateway.signals import Signals
from gateway.stream import CompleteStream
from gateway.toolcall import AuthorizeToolCall, ToolCall
from services.kit.caller import current_call, current_workload
from services.kit.clock import Clock, SystemClock
from services.kit.deadline import remaining


class GatewayServicer(grpc_pb.GatewayServiceServicer):
    """The composed decisions."""

    def __init__(
        self,
        services: Services,
        settings: GatewaySettings,
        finaliser: Finaliser,
        replies: Replies,
        signals: Signals | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._signals = signals or Signals(services, frozenset())  # without one nothing is reported
        self._settings = settings
        self._replies = replies
        self._finaliser = finaliser
        self._settling = Settling(services, settings.settle_budget)
        self._admit = Admit(services, settings)
        self._complete = Complete(services)
        self._stream = CompleteStream(services, self._settling, finaliser, replies, self._signals)
        self._tool_call = AuthorizeToolCall(services)

    async def Admit(self, request: pb.AdmitRequest, context: Any) -> pb.AdmitResponse:
        """May this request reach the model, and with which words?"""
        return await self.admit(self._admit.pipeline, Work(request, current_workload().name))

    async def admit(self, pipeline: Pipeline[Work], work: Work) -> pb.AdmitResponse:
        """Admit by this chain, whose first stages may prove the caller in another way."""
        admitted = False
        try:
            ran = await pipeline.run(work, remaining(self._settings.admit_budget))
            made = decision_of(pipeline.stages, ran)
            note(made)
            await self._finaliser.record(work.subject(), made)
            admitted = made.allowed
            self._report(work, made, ran)
        except BaseException:
            if not current_call().recorded:
                self._finaliser.abandoned(work.subject())
            raise
        finally:
            if work.reserving and not admitted:
                await self._settling.release(work.token, work.txn)
        answer = pb.AdmitResponse(
            outcome=made.outcome,
            reason=made.reason,
            decided_by=made.decided_by,
            verdicts=verdicts(pipeline.stages, ran),
            limits=work.decided.limits,
            degraded=made.degraded,
            txn=work.txn,
            trace_id=trace_id(),
            header_fields=header_fields(work.decided.header_fields, made),
            penalty=work.penalty,
        )
        if made.allowed:
            _add_admitted(answer, work)
        else:
            if made.retry_after:
                answer.retry_after.FromMilliseconds(round(made.retry_after * 1000))
            penalised = made.reason == decision.REASON_PENALISED
            ends = time_left(work.penalty, self._clock.now()) if penalised else 0.0
            answer.safe_reply.CopyFrom(self._reply(made, work.principal, work.request.locale, ends))
        return answer

    async def Complete(self, request: pb.CompleteRequest, context: Any) -> pb.CompleteResponse:
        """May this answer reach the user, and with which words?"""
        work = Answer(request.admission, current_workload().name, request.text)
        own = ratelimit.Cost(output_tokens=counted_output(request.text))
        used = ratelimit.Cost(
            input_tokens=request.input_tokens, output_tokens=request.output_tokens, model=request.model
        )
        settled: ratelimit.CommitResponse | None = None
        try:
            pipeline = self._complete.pipeline
            ran = await pipeline.run(work, remaining(self._settings.complete_budget))
            made = decision_of(pipeline.stages, ran)
            note(made)
            self._signals.decided(work.continued.txn_token, work.continued.txn, made.reason)
            await self._finaliser.record(work.subject(), made)
        except BaseException:
            if not current_call().recorded:
                self._finaliser.abandoned(work.subject())
            raise
        finally:
            # The model has been asked: what it used is owed, whatever is decided about its answer.
            if not work.refused:
                settled = await self._settling.commit(work, used, own, fresh=bool(work.continued.txn_token))
        answer = pb.CompleteResponse(
            outcome=made.outcome,
            reason=made.reason,
            verdicts=verdicts(pipeline.stages, ran),
            degraded=made.degraded or bool(work.continued.txn_token and settled is None),
            txn=work.continued.txn,
            trace_id=trace_id(),
        )
        if settled is not None:
            answer.settlement, answer.micro_usd = settled.settlement, settled.micro_usd
        if made.allowed:
            answer.text, answer.restored = work.text, work.restored
        else:
            answer.safe_reply.CopyFrom(self._reply(made, work.continued.principal, request.locale))
        return answer

    async def CompleteStream(
        self, request_iterator: AsyncIterator[pb.CompleteStreamRequest], context: Any
    ) -> AsyncIterator[pb.CompleteStreamResponse]:
        """Complete, piece by piece."""
        async with aclosing(self._stream.run(request_iterator, current_workload().name)) as answers:
            async for answer in answers:
                yield answer

    async def AuthorizeToolCall(
        self, request: pb.AuthorizeToolCallRequest, context: Any
    ) -> pb.AuthorizeToolCallResponse:
        """May the user make the call that the model wrote?"""
        call = ToolCall(
            request.admission,
            current_workload().name,
            request.tool,
            request.arguments_json,
            definition_hash=request.definition_hash,
            approval=request.approval,
            request_approval=request.request_approval,
        )
        pipeline = self._tool_call.pipeline
        ran = await pipeline.run(call, remaining(self._settings.complete_budget))
        made = decision_of(pipeline.stages, ran)
        note(made)
        self._signals.decided(call.continued.txn_token, call.continued.txn, made.reason)
        await self._finaliser.record(call.subject(), made)
        answer = pb.AuthorizeToolCallResponse(
            outcome=made.outcome,
            reason=made.reason,
            verdicts=verdicts(pipeline.stages, ran),
            degraded=made.degraded,
            txn=call.continued.txn,
            trace_id=trace_id(),
            definition_hash=call.checked.definition_hash,
        )
        if made.allowed:
            answer.arguments_json = call.checked.arguments_json
            answer.arguments_sha256 = call.checked.arguments_sha256
        else:
            answer.repair, answer.approval = call.checked.repair, call.checked.approval
            answer.safe_reply.CopyFrom(self._reply(made, call.continued.principal, request.locale))
        return answer

    def _report(self, work: Work, made: Decision, ran: Sequence[Ran]) -> None:
        """What an enforced decision says of its caller, and what was asked when it was admitted."""
        self._signals.decided(work.token, work.txn, made.reason)
        if not made.allowed:
            return
        if any(one.result.reason == decision.REASON_PERSONAL_DATA_REPLACED for one in ran):
            self._signals.decided(work.token, work.txn, decision.REASON_PERSONAL_DATA_REPLACED)
        who = (work.principal.organisation, work.principal.brand, work.principal.subject)
        asked = [message.text for message in work.request.messages if message.role == decision.ROLE_USER]
        self._signals.asked(work.token, work.txn, who, asked[-1] if asked else "")

    def _reply(self, made: Decision, principal: auth.Principal, locale: str, ends: float = 0.0) -> pb.SafeReply:
        listener = Listener(principal.organisation, principal.brand, locale)
        return self._replies.reply(made.reason, made.retry_after or ends, listener)


def _add_admitted(answer: pb.AdmitResponse, work: Work) -> None:
    answer.admission = work.admission.admission
    answer.admission_expires_at.CopyFrom(work.admission.expires_at)
    answer.entities_not_searched.extend(work.redacted.entities_not_searched)
    answer.canary, answer.context_token, answer.context = work.canary, work.context_token, work.context
    for message, redacted in zip(work.request.messages, work.redacted.texts, strict=True):
        entities = [finding.entity for finding in redacted.findings]
        answer.messages.add(role=message.role, text=redacted.text, entities=entities)
