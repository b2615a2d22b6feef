"""GuardrailService over gRPC: translates messages, and leaves every decision to the core."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hauberk.common.v1 import decision_pb2 as common
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.guardrail.v1 import guardrail_service_pb2_grpc as stubs

from services.guardrail import messages
from services.guardrail.choosing import Choosing
from services.guardrail.inspector import Inspector
from services.guardrail.output import Output
from services.guardrail.policy.model import Edit, Finding, Part, Source
from services.guardrail.tool_servicer import ToolRpcs
from services.guardrail.tools import Approvals, Registry, ToolCalls
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


class GuardrailServicer(ToolRpcs, stubs.GuardrailServiceServicer):
    """Serves GuardrailService. The organisation is the proven caller's; no request can name one."""

    def __init__(
        self,
        inspector: Inspector,
        output: Output,
        choosing: Choosing,
        registry: Registry,
        calls: ToolCalls,
        approvals: Approvals,
    ) -> None:
        self._inspector = inspector
        self._output = output
        self._choosing = choosing
        self._registry = registry
        self._calls = calls
        self._approvals = approvals

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
            prompt_version=request.prompt_version,
        )
        reason = common.REASON_INJECTION if seen.refused else common.REASON_NONE
        return pb.InspectInputResponse(
            outcome=common.OUTCOME_ALLOW if seen.passes else common.OUTCOME_DENY,
            reason=common.REASON_TOO_LARGE if seen.too_large else reason,
            findings=_findings(seen.findings),
            canary=seen.canary,
            policy_version=seen.version[:64],
            observed=seen.observed,
            mode=messages.MODES[seen.mode],
            tainted_parts=seen.tainted,
            redacted=seen.redacted,
            prompt_prints=seen.prompt_prints,
            taint=seen.taint,
        )

    async def InspectOutput(self, request: pb.InspectOutputRequest, context: Any) -> pb.InspectOutputResponse:
        """Looks at what comes from the model."""
        seen = await self._output.inspect(current_caller(), current_call().token, messages.piece(request))
        current_call().facts |= messages.facts(seen.looked)
        answer = messages.released(seen)
        answer.findings.extend(_findings(_edited(seen.edits)))
        return answer

    async def GetGuardPolicy(self, request: pb.GetGuardPolicyRequest, context: Any) -> pb.GetGuardPolicyResponse:
        """What the organisation has chosen."""
        found = await self._choosing.get(current_caller(), current_call().token, request.brand)
        if found is None:
            return pb.GetGuardPolicyResponse()
        return pb.GetGuardPolicyResponse(policy=messages.policy(found.document), version=found.version)

    async def PutGuardPolicy(self, request: pb.PutGuardPolicyRequest, context: Any) -> pb.PutGuardPolicyResponse:
        """Replaces what the organisation has chosen."""
        wanted = messages.document(request.policy)
        version = await self._choosing.put(
            current_caller(), current_call().token, request.brand, wanted, request.expected_version
        )
        return pb.PutGuardPolicyResponse(version=version)


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
