"""What may be executed is what was checked, byte for byte."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.redaction.v1 import redaction_service_pb2 as redaction

from gateway.answers import decision_of
from gateway.toolcall import AuthorizeToolCall, ToolCall

ARGUMENTS = '{"brand":"chat"}'
DIGEST = hashlib.sha256(ARGUMENTS.encode()).hexdigest()


class Peers:
    """Services that allow everything; `checked` is what the guardrail answers."""

    def __init__(self, checked: guardrail.CheckToolCallResponse) -> None:
        self.checked = checked

    async def go_on(self, *_: Any) -> auth.ContinueResponse:
        return auth.ContinueResponse(outcome=decision.OUTCOME_ALLOW, txn_token="t", conversation="c")

    async def describe_tool(self, *_: Any) -> guardrail.DescribeToolResponse:
        return guardrail.DescribeToolResponse(tool=guardrail.Tool(tool="report"), definition_hash="00")

    async def restore(self, _: str, request: redaction.RestoreRequest) -> redaction.RestoreResponse:
        return redaction.RestoreResponse(texts=request.texts)

    async def check_tool_call(self, *_: Any) -> guardrail.CheckToolCallResponse:
        return self.checked


async def outcome(arguments: str, digest: str) -> decision.Outcome.ValueType:
    checked = guardrail.CheckToolCallResponse(
        outcome=decision.OUTCOME_ALLOW,
        reason=decision.REASON_NONE,
        arguments_json=arguments,
        arguments_sha256=digest,
    )
    pipeline = AuthorizeToolCall(Peers(checked)).pipeline  # type: ignore[arg-type]
    ran = await pipeline.run(ToolCall("adm", "backend/x", "report", ARGUMENTS), 1.0)
    return decision_of(pipeline.stages, ran).outcome


async def test_the_checked_bytes_are_allowed() -> None:
    assert await outcome(ARGUMENTS, DIGEST) == decision.OUTCOME_ALLOW


@pytest.mark.parametrize(
    ("arguments", "digest"),
    [
        ('{"brand":"other"}', hashlib.sha256(b'{"brand":"other"}').hexdigest()),
        (ARGUMENTS, "0" * 64),
        (ARGUMENTS, ""),
        ("", ""),
    ],
)
async def test_other_bytes_or_another_digest_are_refused(arguments: str, digest: str) -> None:
    assert await outcome(arguments, digest) == decision.OUTCOME_DENY
