"""Whoever makes a call does not approve it as well, unless the tool's registration says that anybody may."""

from __future__ import annotations

import grpc
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub

from embedded.stack import Stack
from tests.attacks.toolbox import HOME, NOTHING, granted
from tests.support.backend import DEADLINE, Backend, by_key, fresh, status_of


async def test_another_user_decides(target: Stack, backend: Backend) -> None:
    own, talk = by_key(target.api_key), fresh("talk")
    strict = await backend.tool(NOTHING, needs_approval=True)
    loose = await backend.tool(NOTHING, needs_approval=True, approver=pb.TOOL_APPROVER_ANY_USER)
    admission = await backend.admitted(own, brand=HOME, conversation=talk)
    asked = await backend.call_tool(admission, strict, "{}", request_approval=True)
    stub = GuardrailServiceStub(backend.channel("guardrail"))
    grant = pb.DecideApprovalRequest(approval=asked.approval, verdict=pb.APPROVAL_VERDICT_GRANT)
    mine = await backend.administer()
    assert await status_of(stub.DecideApproval(grant, timeout=DEADLINE, metadata=mine)) is (
        grpc.StatusCode.PERMISSION_DENIED
    )
    easy = await backend.call_tool(admission, loose, "{}", request_approval=True)
    await granted(backend, easy.approval)


async def test_nobody_without_the_permission_and_nobody_of_another_organisation(
    target: Stack, backend: Backend
) -> None:
    tool = await backend.tool(NOTHING, needs_approval=True)
    user = await backend.member(fresh("user"))
    asked = await backend.call_tool(await backend.admitted(user, brand=HOME), tool, "{}", request_approval=True)
    stub = GuardrailServiceStub(backend.channel("guardrail"))
    grant = pb.DecideApprovalRequest(approval=asked.approval, verdict=pb.APPROVAL_VERDICT_GRANT)
    member = await backend.proof(await backend.member(fresh("user")))
    assert await status_of(stub.DecideApproval(grant, timeout=DEADLINE, metadata=member)) is (
        grpc.StatusCode.PERMISSION_DENIED
    )
    stranger = await backend.administer(target.other)
    assert await status_of(stub.DecideApproval(grant, timeout=DEADLINE, metadata=stranger)) is (
        grpc.StatusCode.NOT_FOUND
    )
    seen = await stub.ListApprovals(pb.ListApprovalsRequest(page_size=200), timeout=DEADLINE, metadata=stranger)
    assert asked.approval not in {row.approval for row in seen.approvals}
