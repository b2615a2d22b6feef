"""Runs cases/admit.yaml over the in-process channel and over mTLS."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from google.protobuf.json_format import ParseDict
from grpc import aio
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as grpc_pb

from cli.members import Administrator
from embedded.stack import Stack
from services.auth.policy.api_keys import compose
from services.kit.channels import violations_in

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "admit.yaml").read_text())
ORDINARY = {
    "brand": "acme-chat",
    "conversation": "conformance",
    "client_address": "198.51.100.7",
    "messages": [{"role": "ROLE_USER", "text": "Hello"}],
}


def user_of(case: dict[str, Any]) -> str:
    """Each case has a user of its own, so that no case uses up another one's limits."""
    return "case-" + hashlib.sha256(case["case"].encode()).hexdigest()[:12]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ready(stack: Stack) -> Stack:
    await Administrator(stack).add([user_of(case) for case in CASES])
    return stack


def test_deny_cases_outnumber_allow_cases() -> None:
    allowed = [case for case in CASES if case["expect"].get("outcome") == "OUTCOME_ALLOW"]
    assert len(allowed) * 2 < len(CASES)


@pytest.mark.parametrize("transport", ["in-process", "mtls"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
async def test_case(ready: Stack, case: dict[str, Any], transport: str) -> None:
    stack = ready
    channel = stack.channel("gateway") if transport == "mtls" else stack.inprocess("gateway")
    expect = case["expect"]
    try:
        answer = await grpc_pb.GatewayServiceStub(channel).Admit(request_of(case, stack), timeout=5)
    except aio.AioRpcError as error:
        assert expect.get("status") == error.code().name, error.details()
        assert sorted({violation.field for violation in violations_in(error)}) == sorted(expect.get("fields", []))
        return
    check(answer, expect)


def request_of(case: dict[str, Any], stack: Stack) -> pb.AdmitRequest:
    fields: dict[str, Any] = {
        **ORDINARY,
        **credential(case.get("credential", f"jwt:{user_of(case)}"), stack),
        **case.get("request", {}),
    }
    if "repeat_message" in case:
        fields["messages"] = ORDINARY["messages"] * case["repeat_message"]
    return ParseDict(fields, pb.AdmitRequest())


def credential(kind: str, stack: Stack) -> dict[str, Any]:
    name, _, user = kind.partition(":")
    key = stack.api_key
    values = {
        "none": {},
        "key": {"credential": {"api_key": key}},
        "other_key": {"credential": {"api_key": stack.other.api_key}},
        "forged_key": {"credential": {"api_key": forged()}},
        "bad_checksum": {"credential": {"api_key": key[:-1] + ("A" if key[-1] != "A" else "B")}},
        "jwt": {"credential": {"jwt": stack.user_jwt(user or "x")}},
        "foreign_jwt": {"credential": {"jwt": stack.user_jwt(user or "x", stack.other.organisation)}},
    }
    return values[name]


def forged() -> str:
    """A key of the right shape with a right checksum that was never issued."""
    return compose("hbk", "test", secrets.token_bytes(32))


def check(answer: pb.AdmitResponse, expect: dict[str, Any]) -> None:
    assert "status" not in expect, "an error was expected"
    assert decision.Outcome.Name(answer.outcome) == expect["outcome"]
    if "reason" in expect:
        assert decision.Reason.Name(answer.reason) == expect["reason"]
    if "decided_by" in expect:
        assert answer.decided_by == expect["decided_by"]
    if answer.outcome != decision.OUTCOME_ALLOW:
        # A refusal shows nothing, opens nothing, and says something to the user.
        assert (list(answer.messages), answer.admission) == ([], "")
        assert answer.safe_reply.text
    if "text" in expect:
        assert answer.messages[0].text == expect["text"]
    assert [verdict.stage for verdict in answer.verdicts] == [
        "address", "auth", "tenancy", "ratelimit", "guardrail", "redaction", "context", "admission",
    ]  # fmt: skip
