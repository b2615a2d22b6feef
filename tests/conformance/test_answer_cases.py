"""Runs cases/answers.yaml over the in-process channel and over mTLS; each user of the cases is a member of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from grpc import StatusCode, aio
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as grpc_pb
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.guardrail.v1 import guardrail_service_pb2_grpc as guardrail_grpc

from cli.asking import by_jwt, question
from cli.members import Administrator
from embedded.stack import Stack

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "answers.yaml").read_text())
OTHER = "backend/other"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["brand"],
    "properties": {
        "brand": {"type": "string", "x-resource": "Brand"},
        "days": {"type": "integer", "minimum": 1, "maximum": 90},
        "mail": {"type": "string", "x-egress": True},
    },
}

TO = {"type": "object", "properties": {"to": {"type": "string", "x-sensitive": True}, "text": {"type": "string"}}}
TOOLS: dict[str, dict[str, Any]] = {
    "report": {},
    "mail": {"schema_json": json.dumps(TO), "risk": guardrail.TOOL_RISK_EGRESS},
    "erase": {"risk": guardrail.TOOL_RISK_DESTRUCTIVE},
    "pay": {"risk": guardrail.TOOL_RISK_MONEY, "needs_approval": True},
    "once": {"quota": guardrail.ToolQuota(per_admission=1)},
    "watched": {"schema_json": json.dumps(TO), "mode": guardrail.TOOL_MODE_OBSERVE},
}


def user_of(case: dict[str, Any]) -> str:
    return "case-" + hashlib.sha256(case["case"].encode()).hexdigest()[:12]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ready(stack: Stack) -> Stack:
    """The members and the tool of the cases."""
    administrator = Administrator(stack)
    await administrator.add([user_of(case) for case in CASES])
    stub = guardrail_grpc.GuardrailServiceStub(stack.channel("guardrail"))
    for name, more in TOOLS.items():
        tool = guardrail.Tool(tool=name, permission="chat.send", **{"schema_json": json.dumps(SCHEMA), **more})
        await _put(stub, guardrail.PutToolRequest(tool=tool), await administrator.metadata())
    return stack


async def _put(stub: Any, request: guardrail.PutToolRequest, metadata: Any) -> None:
    """A stack that has just begun may not have its trail at hand yet; then nothing was kept, and it is asked again."""
    for last in (False, False, True):
        try:
            await stub.PutTool(request, timeout=5, metadata=metadata)
        except aio.AioRpcError as error:
            if last or error.code() is not StatusCode.UNAVAILABLE:
                raise
            await asyncio.sleep(1)
        else:
            return


def gateway(stack: Stack, transport: str, workload: str) -> Any:
    if transport == "mtls":
        return grpc_pb.GatewayServiceStub(stack.channel("gateway", workload))
    return grpc_pb.GatewayServiceStub(stack.inprocess("gateway", workload))


@pytest.mark.parametrize("transport", ["in-process", "mtls"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
async def test_case(ready: Stack, case: dict[str, Any], transport: str) -> None:
    ask = question(by_jwt(ready.user_jwt(user_of(case))), ready.brand, case["admit"], conversation=f"c-{transport}")
    if "page" in case:
        ask.messages.add(role=decision.ROLE_TOOL, source=decision.SOURCE_RETRIEVED, text=case["page"])
    admitted = await gateway(ready, transport, "backend/demo").Admit(ask, timeout=5)
    assert admitted.outcome == decision.OUTCOME_ALLOW
    stub = gateway(ready, transport, OTHER if case.get("holder") == "other" else "backend/demo")

    if "tool" in case:
        call = pb.AuthorizeToolCallRequest(
            admission=admitted.admission, tool=case["tool"], arguments_json=case["arguments"], **case.get("more", {})
        )
        if case.get("before"):
            assert (await stub.AuthorizeToolCall(call, timeout=5)).outcome == decision.OUTCOME_ALLOW
        check_tool_call(await stub.AuthorizeToolCall(call, timeout=5), case["expect"])
    else:
        text = case["answer"].format(canary=admitted.canary, canary_reversed=admitted.canary[::-1])
        done = pb.CompleteRequest(admission=admitted.admission, text=text, output_tokens=10)
        check_answer(await stub.Complete(done, timeout=5), case["expect"])


def check_answer(answer: pb.CompleteResponse, expect: dict[str, Any]) -> None:
    check(answer, expect)
    if answer.outcome != decision.OUTCOME_ALLOW:
        assert answer.text == ""
    if "text" in expect:
        assert answer.text == expect["text"]
    assert [part for part in expect.get("without", []) if part in answer.text] == []


def check_tool_call(answer: pb.AuthorizeToolCallResponse, expect: dict[str, Any]) -> None:
    check(answer, expect)
    if answer.outcome != decision.OUTCOME_ALLOW:
        assert (answer.arguments_json, answer.arguments_sha256) == ("", "")
        assert "globex" not in answer.repair
    else:
        assert answer.arguments_sha256 == hashlib.sha256(answer.arguments_json.encode()).hexdigest()
    assert expect.get("repair", "") in answer.repair
    if "arguments" in expect:
        assert answer.arguments_json == expect["arguments"]


def check(answer: pb.CompleteResponse | pb.AuthorizeToolCallResponse, expect: dict[str, Any]) -> None:
    assert decision.Outcome.Name(answer.outcome) == expect["outcome"]
    if "reason" in expect:
        assert decision.Reason.Name(answer.reason) == expect["reason"]
