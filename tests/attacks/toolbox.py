"""Tools that attacks are aimed at."""

from __future__ import annotations

import json

from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub

from tests.support.backend import DEADLINE, Backend

READ_BRAND = json.dumps(
    {
        "type": "object",
        "properties": {
            "brand": {"type": "string", "x-resource": "Brand"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 50},
            "brands": {"type": "array", "items": {"type": "string"}, "x-resource": "Brand"},
        },
        "required": ["brand"],
        "additionalProperties": False,
    }
)
# The brand of whoever approves: another test may have made a brand that comes before it.
HOME = "acme-chat"
READ = "knowledge.read"
WRITE = "knowledge.write"

NOTHING = json.dumps({"type": "object", "properties": {}})
MAIL = json.dumps(
    {
        "type": "object",
        "properties": {"to": {"type": "string", "x-sensitive": True}, "body": {"type": "string"}},
        "required": ["to"],
    }
)


async def granted(backend: Backend, approval: str) -> None:
    """By the first administrator."""
    request = guardrail.DecideApprovalRequest(approval=approval, verdict=guardrail.APPROVAL_VERDICT_GRANT)
    stub = GuardrailServiceStub(backend.channel("guardrail"))
    answer = await stub.DecideApproval(request, timeout=DEADLINE, metadata=await backend.administer())
    assert answer.state == guardrail.APPROVAL_STATE_GRANTED


def arguments(**values: object) -> str:
    return json.dumps(values)
