"""Tool calls that a model wrote: checked as if their user had made them."""

from __future__ import annotations

import hashlib
import json

from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.guardrail.v1 import guardrail_service_pb2 as guard_pb
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_grpc

from cli.asking import TIMEOUT
from cli.demo.scenario import Report, World
from cli.members import TOKEN_KEY
from cli.words import reason_name

PERMISSION = "knowledge.read"
SCHEMA = {
    "type": "object",
    "properties": {
        "brand": {"type": "string", "x-resource": "Brand"},
        "days": {"type": "integer", "minimum": 1, "maximum": 31},
    },
    "required": ["brand", "days"],
    "additionalProperties": False,
}
TOOL = guard_pb.Tool(
    tool="brand.report",
    schema_json=json.dumps(SCHEMA),
    permission=PERMISSION,
    description="What was asked of a brand in the last days.",
)


async def foreign_tool_call(world: World) -> Report:
    """The model may write any id; what counts is what its user may do."""
    report = Report()
    stranger = world.stack.other.brand
    admission = await _admitted(world)
    call = json.dumps({"brand": stranger, "days": 7})
    answer = await world.gateway.tool(admission, TOOL.tool, call)
    report.answers.append((f"the model writes {TOOL.tool}({call})", answer))
    own = await _own_question(world, stranger)
    report.expect("the user's own question for it", "NOT_PERMITTED", reason_name(own.reason))
    report.expect_outcome(answer, f"DENY {reason_name(own.reason)} by tool")
    report.expect("given for execution", "", answer.arguments_json + answer.arguments_sha256)
    return report


async def repaired(world: World) -> Report:
    """The words name the argument and the rule, so that a model's next try can be right."""
    report = Report()
    admission = await _admitted(world)
    wrong = json.dumps({"brand": world.stack.brand, "days": "seven"})
    refused = await world.gateway.tool(admission, TOOL.tool, wrong)
    right = json.dumps({"brand": world.stack.brand, "days": 7})
    allowed = await world.gateway.tool(admission, TOOL.tool, right)
    report.answers += [
        (f"the model writes {TOOL.tool}({wrong})", refused),
        (f"it reads the words, and writes {TOOL.tool}({right})", allowed),
    ]
    report.expect_outcome(refused, "DENY TOOL_CALL_REFUSED by tool")
    report.expect("the words name the argument", True, "days" in refused.repair)
    report.expect("they name the rule", True, "integer" in refused.repair)
    report.expect_outcome(allowed, "ALLOW")
    report.expect("what may be executed", json.loads(right), json.loads(allowed.arguments_json or "null"))
    digest = hashlib.sha256(allowed.arguments_json.encode()).hexdigest()
    report.expect("its digest is of these very bytes", digest, allowed.arguments_sha256)
    return report


async def _admitted(world: World) -> str:
    await world.acme.put_tool(TOOL)
    await world.acme.add(["tess"])
    admitted = await world.ask(world.user("tess"), "How did we do last week?", conversation="tess-1")
    return admitted.admission


async def _own_question(world: World, brand: str) -> tenancy_pb.AuthorizeResponse:
    """What tenancy says when the user asks for the same thing, without any model."""
    proof = await auth_grpc.AuthServiceStub(world.stack.channel("auth")).Authenticate(
        auth_pb.AuthenticateRequest(credential=world.user("tess"), brand=world.stack.brand), timeout=TIMEOUT
    )
    asked = tenancy_pb.AuthorizeRequest(action=PERMISSION, resource=tenancy_pb.Resource(type="Brand", id=brand))
    tenancy = tenancy_grpc.TenancyServiceStub(world.stack.channel("tenancy"))
    answer: tenancy_pb.AuthorizeResponse = await tenancy.Authorize(
        asked, timeout=TIMEOUT, metadata=((TOKEN_KEY, proof.txn_token),)
    )
    return answer
