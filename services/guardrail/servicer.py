"""GuardrailService over gRPC: translates messages, and leaves every decision to the core."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from hauberk.common.v1 import decision_pb2 as common
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.guardrail.v1 import guardrail_service_pb2_grpc as stubs

from services.guardrail.inspector import Inspector
from services.guardrail.policy.choices import Mode
from services.guardrail.policy.definition import Definition, compiled
from services.guardrail.policy.model import Edit, Finding, Part, Source
from services.guardrail.ports import Answer
from services.guardrail.tools import Checked, Tools
from services.kit.caller import current_call, current_caller

EXPLAIN = "decisions.explain"
_MOST_FINDINGS = 256
_SOURCES = {
    common.SOURCE_USER: Source.USER,
    common.SOURCE_SYSTEM: Source.SYSTEM,
    common.SOURCE_RETRIEVED: Source.RETRIEVED,
    common.SOURCE_TOOL_OUTPUT: Source.TOOL_OUTPUT,
    common.SOURCE_MEMORY: Source.MEMORY,
    common.SOURCE_TOOL_DESCRIPTION: Source.TOOL_DESCRIPTION,
}
_MODES = {
    Mode.BLOCK: pb.GUARD_MODE_BLOCK,
    Mode.REDACT: pb.GUARD_MODE_REDACT,
    Mode.FLAG: pb.GUARD_MODE_FLAG,
    Mode.OBSERVE: pb.GUARD_MODE_OBSERVE,
}
_REASONS = {
    Answer.NOT_PERMITTED: common.REASON_NOT_PERMITTED,
    Answer.ORGANISATION_SUSPENDED: common.REASON_ORGANISATION_SUSPENDED,
    Answer.POLICY_ERROR: common.REASON_POLICY_ERROR,
}

Decision = TypeVar("Decision", pb.InspectInputResponse, pb.InspectOutputResponse, pb.CheckToolCallResponse)


class GuardrailServicer(stubs.GuardrailServiceServicer):
    """Serves GuardrailService. The organisation is the proven caller's; no request can name one."""

    def __init__(self, inspector: Inspector, tools: Tools) -> None:
        self._inspector = inspector
        self._tools = tools

    async def InspectInput(self, request: pb.InspectInputRequest, context: Any) -> pb.InspectInputResponse:
        """Looks at what goes to the model."""
        parts = [Part(_SOURCES.get(part.source, Source.UNKNOWN), part.text) for part in request.parts]
        seen = await self._inspector.inspect_input(
            current_caller(),
            request.conversation,
            parts,
            explain=EXPLAIN in current_caller().scopes,
            takes_redacted=request.takes_redacted,
            token=current_call().token,
        )
        reason = common.REASON_INJECTION if seen.refused else common.REASON_NONE
        return pb.InspectInputResponse(
            outcome=common.OUTCOME_ALLOW if seen.passes else common.OUTCOME_DENY,
            reason=common.REASON_TOO_LARGE if seen.too_large else reason,
            findings=_findings(seen.findings),
            canary=seen.canary,
            policy_version=self._inspector.version[:64],
            observed=seen.observed,
            mode=_MODES[seen.mode],
            tainted_parts=seen.tainted,
            redacted=seen.redacted,
        )

    async def InspectOutput(self, request: pb.InspectOutputRequest, context: Any) -> pb.InspectOutputResponse:
        """Looks at what comes from the model."""
        seen = await self._inspector.inspect_output(
            current_caller(), current_call().token, request.conversation, request.text, request.preceding
        )
        reason = common.REASON_PERSONAL_DATA_REPLACED if seen.removed else common.REASON_NONE
        if seen.withheld:
            reason = common.REASON_TOO_LARGE if seen.too_large else common.REASON_OUTPUT_WITHHELD
        return pb.InspectOutputResponse(
            outcome=common.OUTCOME_DENY if seen.withheld else common.OUTCOME_ALLOW,
            reason=reason,
            text=seen.text,
            findings=_findings(_edited(seen.edits)),
            removed=seen.removed,
            policy_version=self._inspector.book.version,
        )

    async def CheckToolCall(self, request: pb.CheckToolCallRequest, context: Any) -> pb.CheckToolCallResponse:
        """Checks a tool call that a model wrote."""
        checked = await self._tools.check(current_caller(), current_call().token, request.tool, request.arguments_json)
        return pb.CheckToolCallResponse(
            outcome=common.OUTCOME_ALLOW if checked.allowed else common.OUTCOME_DENY,
            reason=_reason(checked),
            repair=checked.repair,
            arguments_json=request.arguments_json if checked.allowed else "",
            arguments_sha256=checked.sha256 if checked.allowed else "",
            definition_hash=checked.definition_hash,
        )

    async def DescribeTool(self, request: pb.DescribeToolRequest, context: Any) -> pb.DescribeToolResponse:
        """One tool that the caller may use."""
        found = await self._tools.describe(current_caller(), current_call().token, request.tool)
        return pb.DescribeToolResponse(
            tool=_tool(found), definition_hash=found.hash, egress_arguments=compiled(found.schema).egress
        )

    async def PutTool(self, request: pb.PutToolRequest, context: Any) -> pb.PutToolResponse:
        """Registers a tool."""
        wanted = request.tool
        made = await self._tools.put(
            current_caller(),
            current_call().token,
            (wanted.tool, wanted.schema_json, wanted.permission, wanted.description),
        )
        return pb.PutToolResponse(definition_hash=made.hash)

    async def ListTools(self, request: pb.ListToolsRequest, context: Any) -> pb.ListToolsResponse:
        """A page of the tools that the caller may use."""
        rows, token = await self._tools.list(
            current_caller(), current_call().token, request.page_size, request.page_token
        )
        return pb.ListToolsResponse(tools=map(_tool, rows), next_page_token=token)


def _reason(checked: Checked) -> common.Reason.ValueType:
    if checked.allowed:
        return common.REASON_NONE
    return _REASONS.get(checked.refusal, common.REASON_TOOL_CALL_REFUSED)


def _findings(found: Iterable[Finding]) -> list[pb.GuardFinding]:
    """Only for who may see how a decision came about."""
    if EXPLAIN not in current_caller().scopes:
        return []
    return [
        pb.GuardFinding(
            rule=each.rule,
            view=each.view,
            part=each.part,
            start=each.start,
            end=each.end,
            weight=each.weight,
            grams=[gram[:256] for gram in each.grams],
        )
        for each in list(found)[:_MOST_FINDINGS]
    ]


def _edited(edits: Iterable[Edit]) -> list[Finding]:
    return [Finding(edit.rule, "plain", 0, edit.start, edit.end) for edit in edits]


def _tool(found: Definition) -> pb.Tool:
    return pb.Tool(
        tool=found.tool, schema_json=found.schema, permission=found.permission, description=found.description
    )
