"""AuthorizeToolCall's stages: restored first, then checked, so that the digest is of the bytes that may be executed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import grpc
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.redaction.v1 import redaction_service_pb2 as redaction

from gateway.clients import Services
from gateway.complete import go_on
from gateway.finaliser import Subject
from gateway.pipeline import Pipeline, Result
from gateway.stages import TOOL_CALL_STAGES
from services.kit.channels import PeerError
from services.kit.errors import InvalidArgument, Unavailable

NOT_JSON = "The arguments are not one JSON object. Write valid JSON with each key once."
NOTHING_TO_RESTORE = Result(decision.OUTCOME_ALLOW, decision.REASON_NONE)


@dataclass(slots=True)
class ToolCall:
    """One call that a model wrote."""

    admission: str
    holder: str
    tool: str
    arguments_json: str
    definition_hash: str = ""
    approval: str = ""
    request_approval: bool = False
    continued: auth.ContinueResponse = field(default_factory=auth.ContinueResponse)
    checked: guardrail.CheckToolCallResponse = field(default_factory=guardrail.CheckToolCallResponse)

    def subject(self) -> Subject:
        """What the audit event is about."""
        facts = {"tool": self.tool, "arguments_sha256": self.checked.arguments_sha256}
        if self.approval or self.checked.approval:
            facts["approval"] = self.approval or self.checked.approval
        return Subject("gateway.authorize_tool_call", self.continued.txn, self.continued.principal, facts=facts)


class AuthorizeToolCall:
    """The chain of AuthorizeToolCall."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.pipeline: Pipeline[ToolCall] = Pipeline(
            TOOL_CALL_STAGES, {"admission": self._go_on, "restore": self._restore, "tool": self._check}
        )

    async def _go_on(self, call: ToolCall) -> Result:
        result, call.continued = await go_on(self._services, call.admission, call.holder)
        return result

    async def _restore(self, call: ToolCall) -> Result:
        token = call.continued.txn_token
        try:
            described = await self._services.describe_tool(token, call.tool)
        except PeerError as error:
            if error.peer_code is not grpc.StatusCode.NOT_FOUND:
                raise
            return NOTHING_TO_RESTORE  # no tool that this user may use: the check says so, in its own words
        if described.tool.tool != call.tool:  # an answer that says nothing must not mean: no argument leaves
            raise Unavailable("guardrail")
        request = redaction.RestoreRequest(
            conversation=call.continued.conversation,
            texts=[call.arguments_json],
            format=redaction.RESTORE_FORMAT_JSON,
            keep=described.egress_arguments,
            sink=redaction.RESTORE_SINK_TOOL_ARGUMENT,
            fields=[
                redaction.FieldEntities(pointer=argument.pointer, entities=argument.entities)
                for argument in described.restorable_arguments
            ],
        )
        try:
            restored = await self._services.restore(token, request)
        except InvalidArgument:  # the model's mistake, not the caller's: it is told how to repair it
            call.checked = guardrail.CheckToolCallResponse(repair=NOT_JSON)
            return Result(decision.OUTCOME_DENY, decision.REASON_TOOL_CALL_REFUSED)
        if len(restored.texts) != 1:
            raise Unavailable("redaction")
        call.arguments_json = restored.texts[0]
        return Result(decision.OUTCOME_ALLOW, decision.REASON_NONE)

    async def _check(self, call: ToolCall) -> Result:
        request = guardrail.CheckToolCallRequest(
            tool=call.tool,
            arguments_json=call.arguments_json,
            definition_hash=call.definition_hash,
            conversation=call.continued.conversation,
            taint=call.continued.taint,
            approval=call.approval,
            request_approval=call.request_approval,
        )
        call.checked = await self._services.check_tool_call(call.continued.txn_token, request)
        if call.checked.outcome == decision.OUTCOME_ALLOW:
            given = hashlib.sha256(call.checked.arguments_json.encode()).hexdigest()
            if call.checked.arguments_json != call.arguments_json or given != call.checked.arguments_sha256:
                raise Unavailable("guardrail")  # what was checked must be what may be executed
        return Result(call.checked.outcome, call.checked.reason, observed=call.checked.observed)
