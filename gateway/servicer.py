"""GatewayService: runs the chain, gives back what a refusal reserved, and says what was decided."""

from __future__ import annotations

import asyncio
from typing import Any

from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as grpc_pb
from opentelemetry import trace

from gateway.admit import Admit, Work
from gateway.clients import Services
from gateway.pipeline import ALLOW, Ran, Result
from gateway.replies import safe_reply
from gateway.settings import GatewaySettings
from services.kit.caller import current_workload
from services.kit.deadline import remaining
from services.kit.errors import KitError
from services.kit.logs import logger
from services.kit.telemetry import Attr
from services.kit.telemetry.attributes import put
from services.kit.telemetry.tracing import decided


class GatewayServicer(grpc_pb.GatewayServiceServicer):
    """The composed decisions."""

    def __init__(self, services: Services, settings: GatewaySettings) -> None:
        self._services = services
        self._settings = settings
        self._admit = Admit(services, settings)
        self._releasing: set[asyncio.Task[None]] = set()

    async def Admit(self, request: pb.AdmitRequest, context: Any) -> pb.AdmitResponse:
        """May this request reach the model, and with which words?"""
        work = Work(request, current_workload().name)
        admitted = False
        try:
            ran = await self._admit.pipeline.run(work, remaining(self._settings.admit_budget))
            admitted = ran[-1].stage == self._admit.pipeline.stages[-1].name and ran[-1].result.allowed
        finally:
            if work.reserving and not admitted:
                await self._give_back(work)
        return self._answer(work, ran, admitted=admitted)

    async def _give_back(self, work: Work) -> None:
        # Its own task: a cancelled or timed-out caller must not keep the hold alive. What fails here expires by itself.
        task = asyncio.create_task(self._release(work))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)
        await asyncio.shield(task)

    async def _release(self, work: Work) -> None:
        try:
            async with asyncio.timeout(self._settings.release_budget):
                await self._services.release(work.token, work.txn)
        except (KitError, TimeoutError) as error:
            logger().warning("gateway.release_failed", error_class=type(error).__name__)

    def _answer(self, work: Work, ran: list[Ran], *, admitted: bool) -> pb.AdmitResponse:
        last = next((one for one in ran if not one.result.allowed), ran[-1])
        reason = last.result.reason if not admitted else decision.REASON_NONE
        answer = pb.AdmitResponse(
            outcome=ALLOW if admitted else _refusal(last.result),
            reason=reason,
            decided_by="" if admitted else last.stage,
            limits=work.decided.limits,
            degraded=any(one.result.degraded for one in ran),
            txn=work.txn,
            trace_id=_trace_id(),
        )
        self._add_verdicts(answer, ran)
        if admitted:
            _add_admitted(answer, work)
        else:
            _add_refusal(answer, last.result)
        outcome = decision.Outcome.Name(answer.outcome).removeprefix("OUTCOME_")
        decided(outcome, decision.Reason.Name(reason).removeprefix("REASON_"), degraded=answer.degraded)
        put(trace.get_current_span(), {Attr.DECIDED_BY: answer.decided_by})
        return answer

    def _add_verdicts(self, answer: pb.AdmitResponse, ran: list[Ran]) -> None:
        for one in ran:
            verdict = answer.verdicts.add(
                stage=one.stage, outcome=one.result.outcome, reason=one.result.reason, degraded=one.result.degraded
            )
            verdict.duration.FromNanoseconds(round(one.seconds * 1e9))
        reached = {one.stage for one in ran}
        for stage in self._admit.pipeline.stages:
            if stage.name not in reached:
                answer.verdicts.add(stage=stage.name, reason=decision.REASON_NOT_REACHED)


def _refusal(result: Result) -> decision.Outcome.ValueType:
    return result.outcome if result.outcome != decision.OUTCOME_UNSPECIFIED else decision.OUTCOME_DENY


def _add_admitted(answer: pb.AdmitResponse, work: Work) -> None:
    answer.admission = work.admission.admission
    answer.admission_expires_at.CopyFrom(work.admission.expires_at)
    answer.entities_not_searched.extend(work.redacted.entities_not_searched)
    for message, redacted in zip(work.request.messages, work.redacted.texts, strict=True):
        entities = [finding.entity for finding in redacted.findings]
        answer.messages.add(role=message.role, text=redacted.text, entities=entities)


def _add_refusal(answer: pb.AdmitResponse, result: Result) -> None:
    if result.retry_after:
        answer.retry_after.FromMilliseconds(round(result.retry_after * 1000))
    answer.safe_reply.CopyFrom(safe_reply(result.reason, result.retry_after))


def _trace_id() -> str:
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""
