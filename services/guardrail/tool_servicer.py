"""The tool part of GuardrailService: translates messages, and leaves every decision to the core."""

from __future__ import annotations

from typing import Any

from hauberk.common.v1 import decision_pb2 as common
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

from services.guardrail.policy.approvals import Approval, State
from services.guardrail.policy.calls import Why
from services.guardrail.policy.definition import Definition, compiled
from services.guardrail.policy.restorable import restorable
from services.guardrail.policy.traits import Approver, Quota, Risk, Traits
from services.guardrail.ports import Answer
from services.guardrail.tools import Approvals, Asked, Checked, Registry, ToolCalls
from services.guardrail.tools.check import Against
from services.kit.caller import current_call, current_caller

_REFUSALS = {
    Answer.NOT_PERMITTED: common.REASON_NOT_PERMITTED,
    Answer.ORGANISATION_SUSPENDED: common.REASON_ORGANISATION_SUSPENDED,
    Answer.POLICY_ERROR: common.REASON_POLICY_ERROR,
}
_AGAINST = {
    Against.ARGUMENTS: common.REASON_TOOL_CALL_REFUSED,
    Against.CHANGED: common.REASON_TOOL_CHANGED,
    Against.APPROVAL: common.REASON_APPROVAL_NOT_ACCEPTED,
}
_WHY = {
    Why.NONE: common.REASON_NONE,
    Why.QUOTA: common.REASON_TOOL_QUOTA,
    Why.SEQUENCE: common.REASON_TOOL_SEQUENCE,
    Why.TAINTED: common.REASON_TOOL_TAINTED,
    Why.NEEDS_APPROVAL: common.REASON_TOOL_NEEDS_APPROVAL,
}
_RISKS = {
    Risk.UNSTATED: pb.TOOL_RISK_UNSPECIFIED,
    Risk.READ: pb.TOOL_RISK_READ,
    Risk.WRITE: pb.TOOL_RISK_WRITE,
    Risk.EGRESS: pb.TOOL_RISK_EGRESS,
    Risk.DESTRUCTIVE: pb.TOOL_RISK_DESTRUCTIVE,
    Risk.MONEY: pb.TOOL_RISK_MONEY,
}
_RISKS_BACK = {number: risk for risk, number in _RISKS.items()}
_STATES = {
    State.WAITING: pb.APPROVAL_STATE_WAITING,
    State.GRANTED: pb.APPROVAL_STATE_GRANTED,
    State.REFUSED: pb.APPROVAL_STATE_REFUSED,
    State.USED: pb.APPROVAL_STATE_USED,
    State.EXPIRED: pb.APPROVAL_STATE_EXPIRED,
}


class ToolRpcs:
    """The RPCs about tools; `GuardrailServicer` adds those about texts."""

    _calls: ToolCalls
    _registry: Registry
    _approvals: Approvals

    async def CheckToolCall(self, request: pb.CheckToolCallRequest, _: Any) -> pb.CheckToolCallResponse:
        """Checks a tool call that a model wrote."""
        asked = Asked(
            tool=request.tool,
            text=request.arguments_json,
            definition_hash=request.definition_hash,
            conversation=request.conversation,
            taint=request.taint,
            approval=request.approval,
            wants_approval=request.request_approval,
        )
        checked = await self._calls.check(current_caller(), current_call().token, asked)
        return pb.CheckToolCallResponse(
            outcome=_outcome(checked),
            reason=_reason(checked),
            repair=checked.repair,
            arguments_json=request.arguments_json if checked.allowed else "",
            arguments_sha256=checked.sha256 if checked.allowed else "",
            definition_hash=checked.definition_hash,
            approval=checked.approval,
            observed=checked.allowed and checked.ruling.observed,
        )

    async def DescribeTool(self, request: pb.DescribeToolRequest, _: Any) -> pb.DescribeToolResponse:
        """One tool that the caller may use."""
        found = await self._registry.describe(current_caller(), current_call().token, request.tool)
        return pb.DescribeToolResponse(
            tool=_tool(found),
            definition_hash=found.hash,
            egress_arguments=compiled(found.schema).egress,
            restorable_arguments=[
                pb.RestorableArgument(pointer=at, entities=kinds) for at, kinds in restorable(found.schema)
            ],
        )

    async def PutTool(self, request: pb.PutToolRequest, _: Any) -> pb.PutToolResponse:
        """Registers a tool."""
        wanted = request.tool
        made, waits = await self._registry.put(
            current_caller(),
            current_call().token,
            (wanted.tool, wanted.schema_json, wanted.permission, wanted.description, _traits(wanted)),
            approve=request.approve,
        )
        return pb.PutToolResponse(definition_hash=made.hash, waits=waits)

    async def ApproveTool(self, request: pb.ApproveToolRequest, _: Any) -> pb.ApproveToolResponse:
        """Approves a changed definition."""
        await self._registry.approve(current_caller(), current_call().token, request.tool, request.definition_hash)
        return pb.ApproveToolResponse(definition_hash=request.definition_hash)

    async def ListTools(self, request: pb.ListToolsRequest, _: Any) -> pb.ListToolsResponse:
        """A page of the tools that the caller may use, or of those that wait."""
        ask = self._registry.waiting if request.waiting else self._registry.list
        rows, token = await ask(current_caller(), current_call().token, request.page_size, request.page_token)
        return pb.ListToolsResponse(tools=map(_tool, rows), next_page_token=token)

    async def DecideApproval(self, request: pb.DecideApprovalRequest, _: Any) -> pb.DecideApprovalResponse:
        """Grants or refuses one call."""
        grant = request.verdict == pb.APPROVAL_VERDICT_GRANT
        state, ends = await self._approvals.decide(
            current_caller(), current_call().token, request.approval, grant=grant
        )
        answer = pb.DecideApprovalResponse(state=_STATES[state])
        answer.expires_at.FromMilliseconds(round(ends * 1000))
        return answer

    async def ListApprovals(self, request: pb.ListApprovalsRequest, _: Any) -> pb.ListApprovalsResponse:
        """A page of the calls that approval was asked for."""
        rows, token = await self._approvals.list(
            current_caller(), current_call().token, request.page_size, request.page_token
        )
        return pb.ListApprovalsResponse(approvals=map(_approval, rows), next_page_token=token)


def _outcome(checked: Checked) -> common.Outcome.ValueType:
    if checked.allowed:
        return common.OUTCOME_ALLOW
    return common.OUTCOME_NEEDS_APPROVAL if checked.needs_approval else common.OUTCOME_DENY


def _reason(checked: Checked) -> common.Reason.ValueType:
    if checked.refusal is not Answer.ALLOWED:
        return _REFUSALS.get(checked.refusal, common.REASON_TOOL_CALL_REFUSED)
    return _AGAINST.get(checked.against) or _WHY[checked.ruling.why]


def _traits(wanted: pb.Tool) -> Traits:
    quota = wanted.quota
    return Traits(
        risk=_RISKS_BACK.get(wanted.risk, Risk.UNSTATED),
        observes=wanted.mode == pb.TOOL_MODE_OBSERVE,
        labels=tuple(sorted(set(wanted.labels))),
        not_after=tuple(sorted(set(wanted.not_after))),
        quota=Quota(quota.per_admission, quota.per_conversation, quota.per_hour),
        needs_approval=wanted.needs_approval,
        approver=Approver.ANY_USER if wanted.approver == pb.TOOL_APPROVER_ANY_USER else Approver.ANOTHER_USER,
    )


def _tool(found: Definition) -> pb.Tool:
    traits = found.traits
    any_user = traits.approver is Approver.ANY_USER
    shown = pb.Tool(
        tool=found.tool,
        schema_json=found.schema,
        permission=found.permission,
        description=found.description,
        risk=_RISKS[traits.risk],
        mode=pb.TOOL_MODE_OBSERVE if traits.observes else pb.TOOL_MODE_ENFORCE,
        labels=traits.labels,
        not_after=traits.not_after,
        needs_approval=traits.needs_approval,
        approver=pb.TOOL_APPROVER_ANY_USER if any_user else pb.TOOL_APPROVER_ANOTHER_USER,
        definition_hash=found.hash,
    )
    if traits.quota != Quota():
        quota = traits.quota
        shown.quota.per_admission, shown.quota.per_conversation = quota.admission, quota.conversation
        shown.quota.per_hour = quota.hour
    return shown


def _approval(row: Approval) -> pb.Approval:
    answer = pb.Approval(
        approval=row.id,
        state=_STATES[row.state],
        tool=row.call.tool,
        definition_hash=row.call.definition_hash,
        arguments_json=row.arguments,
        arguments_sha256=row.call.arguments_sha256,
        user=row.user,
        brand=row.brand,
        conversation=row.call.conversation,
        reason=_WHY.get(Why(row.reason), common.REASON_TOOL_NEEDS_APPROVAL),
        decided_by=row.decided_by,
    )
    answer.requested_at.FromMilliseconds(round(row.requested_at * 1000))
    answer.expires_at.FromMilliseconds(round(row.expires_at * 1000))
    return answer
