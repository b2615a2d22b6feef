"""Approvals, definitions and counts as they lie in PostgreSQL: sealed, bounded, expiring, and never stale."""

from __future__ import annotations

import json
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio
from hauberk.common.v1 import decision_pb2 as common
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from tests.contract.guardrail.world import EVERYTHING, World, opened

SCHEMA = json.dumps({"type": "object", "properties": {"note": {"type": "string"}}})
HELD: dict[str, Any] = {"needs_approval": True, "risk": pb.TOOL_RISK_MONEY}
SECRET = '{"note": "the lighthouse keeper"}'


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def org(session_world: World) -> str:
    name = await session_world.organisation()
    member = tenancy_pb.Member(user="bob", roles=["member"], brands=["shop"])
    await session_world.tenancy("PutMember", tenancy_pb.PutMemberRequest(member=member), name)
    return name


async def put(world: World, org: str, name: str, *, approve: bool = False, **more: Any) -> pb.PutToolResponse:
    tool = pb.Tool(tool=name, permission="tools.call", **{"schema_json": SCHEMA, **more})
    answer: pb.PutToolResponse = await world.ask("PutTool", pb.PutToolRequest(tool=tool, approve=approve), org)
    return answer


async def call(world: World, org: str, tool: str, text: str = "{}", **more: Any) -> pb.CheckToolCallResponse:
    return await world.call(org, tool, text, more, user="bob")


async def listed(world: World, org: str) -> dict[str, pb.Approval]:
    found = await world.ask("ListApprovals", pb.ListApprovalsRequest(page_size=200), org)
    return {row.approval: row for row in found.approvals}


async def test_arguments_wait_sealed_and_go_when_nobody_needs_them(world: World, org: str) -> None:
    await put(world, org, "pay", **HELD)
    asked = await call(world, org, "pay", SECRET, request_approval=True)
    assert asked.outcome == common.OUTCOME_NEEDS_APPROVAL
    again = await call(world, org, "pay", SECRET, request_approval=True)
    assert again.approval == asked.approval, "the same call waits once"
    row = (await listed(world, org))[asked.approval]
    assert (row.arguments_json, row.user, row.state) == (SECRET, "bob", pb.APPROVAL_STATE_WAITING)

    with psycopg.connect(world.stores.admin_dsn) as admin:
        (kept,) = admin.execute(
            "SELECT a::text FROM guardrail.approvals a WHERE approval = %s", [asked.approval]
        ).fetchone() or ("",)
    assert "lighthouse" not in kept and b"lighthouse".hex() not in kept

    refuse = pb.DecideApprovalRequest(approval=asked.approval)
    assert (await world.ask("DecideApproval", refuse, org)).state == pb.APPROVAL_STATE_REFUSED
    row = (await listed(world, org))[asked.approval]
    assert (row.arguments_json, row.state, row.decided_by) == ("", pb.APPROVAL_STATE_REFUSED, "ann")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.ask(
            "DecideApproval", pb.DecideApprovalRequest(approval=asked.approval, verdict=pb.APPROVAL_VERDICT_GRANT), org
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_too_late_is_not_granted_and_not_spent(world: World, org: str) -> None:
    await put(world, org, "late", **HELD)
    waiting = await call(world, org, "late", request_approval=True)
    granted = await call(world, org, "late", '{"note": ""}', request_approval=True)
    grant = pb.DecideApprovalRequest(approval=granted.approval, verdict=pb.APPROVAL_VERDICT_GRANT)
    await world.ask("DecideApproval", grant, org)
    with psycopg.connect(world.stores.admin_dsn, autocommit=True) as admin:
        admin.execute(
            "UPDATE guardrail.approvals SET expires_at = clock_timestamp() WHERE approval = ANY (%s)",
            [[waiting.approval, granted.approval]],
        )
    spent = await call(world, org, "late", '{"note": ""}', approval=granted.approval)
    assert spent.reason == common.REASON_APPROVAL_NOT_ACCEPTED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.ask("DecideApproval", pb.DecideApprovalRequest(approval=waiting.approval), org)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    rows = await listed(world, org)
    assert {rows[each.approval].state for each in (waiting, granted)} == {pb.APPROVAL_STATE_EXPIRED}
    fresh = await call(world, org, "late", request_approval=True)
    assert fresh.approval not in ("", waiting.approval)


async def test_nobody_fills_the_list(world: World, org: str) -> None:
    await put(world, org, "many", **HELD)
    asked = [
        (await call(world, org, "many", json.dumps({"note": str(n)}), request_approval=True)).approval
        for n in range(22)
    ]
    assert 0 < len([each for each in asked if each]) <= 20
    assert not asked[-1]
    size = pb.ListApprovalsRequest(page_size=7)
    first = await world.ask("ListApprovals", size, org)
    size.page_token = first.next_page_token
    second = await world.ask("ListApprovals", size, org)
    pages = [row.approval for row in (*first.approvals, *second.approvals)]
    assert len(set(pages)) == 14


async def test_a_change_by_another_process_counts_at_once(world: World, org: str) -> None:
    await put(world, org, "moved")
    async with opened(world.stores) as other:
        for asked in (world, other):  # both remember it now
            assert (await call(asked, org, "moved")).outcome == common.OUTCOME_ALLOW
        changed = await put(other, org, "moved", description="does more")
        assert changed.waits
        stale = await call(world, org, "moved")
        assert (stale.outcome, stale.reason) == (common.OUTCOME_DENY, common.REASON_TOOL_CHANGED)
        await put(other, org, "moved", description="does more", approve=True)
        assert (await call(other, org, "moved")).outcome == common.OUTCOME_ALLOW


async def test_approving_needs_the_scope_the_permission_and_the_very_hash(world: World, org: str) -> None:
    await put(world, org, "grown")
    changed = await put(world, org, "grown", description="y")
    request = pb.ApproveToolRequest(tool="grown", definition_hash=changed.definition_hash)
    without = EVERYTHING - {"tools.approve"}
    for who, scopes in (("ann", without), ("bob", EVERYTHING)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.ask("ApproveTool", request, org, user=who, scopes=scopes)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    for method, asked in (
        (
            "PutTool",
            pb.PutToolRequest(tool=pb.Tool(tool="grown", schema_json=SCHEMA, permission="tools.call"), approve=True),
        ),
        ("ListTools", pb.ListToolsRequest(waiting=True)),
        ("ListApprovals", pb.ListApprovalsRequest()),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.ask(method, asked, org, scopes=without)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED, method
    request.definition_hash = "0" * 64
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.ask("ApproveTool", request, org)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_resource_may_be_asked_for_another_action_than_the_tool(world: World, org: str) -> None:
    schema = {
        "type": "object",
        "properties": {"brand": {"type": "string", "x-resource": {"type": "Brand", "action": "orders.refund"}}},
    }
    await put(world, org, "refund-there", schema_json=json.dumps(schema))
    assert (await call(world, org, "refund-there")).outcome == common.OUTCOME_ALLOW
    answer = await call(world, org, "refund-there", '{"brand": "shop"}')
    assert (answer.outcome, answer.reason) == (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED)
    boss = await world.call(org, "refund-there", '{"brand": "shop"}')
    assert boss.outcome == common.OUTCOME_ALLOW
    for bad in (
        {"type": "Brand"},
        {"type": "Brand", "action": "Do It"},
        {"type": "Brand", "action": "x", "id": "y"},
        7,
    ):
        schema["properties"]["brand"]["x-resource"] = bad  # type: ignore[index]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await put(world, org, "bad", schema_json=json.dumps(schema))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
