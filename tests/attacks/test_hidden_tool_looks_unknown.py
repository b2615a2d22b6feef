"""A model tries tools by name: one that its user may not use looks like one that is not there."""

from __future__ import annotations

from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub

from embedded.stack import Stack
from tests.attacks.toolbox import READ, READ_BRAND, WRITE, arguments
from tests.support.backend import DEADLINE, Backend, allowed, fresh, stable


async def test_one_answer(target: Stack, backend: Backend) -> None:
    hidden = await backend.tool(READ_BRAND, WRITE)
    shown = await backend.tool(READ_BRAND, READ)
    user = await backend.member(fresh("user"))
    admission = await backend.admitted(user)
    given = arguments(brand=target.brand)

    kept = stable(await backend.call_tool(admission, hidden, given))
    absent = stable(await backend.call_tool(admission, fresh("tool"), given))
    assert not allowed(kept)
    assert kept == absent
    assert hidden not in kept.repair
    assert allowed(await backend.call_tool(admission, shown, given))


async def test_another_organisations_tool_is_not_there(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(organisation=target.other))
    theirs = stable(await backend.call_tool(admission, tool, arguments(brand=target.other.brand)))
    absent = stable(await backend.call_tool(admission, fresh("tool"), arguments(brand=target.other.brand)))
    assert not allowed(theirs)
    assert theirs == absent


async def test_it_is_not_listed(backend: Backend) -> None:
    hidden = await backend.tool(READ_BRAND, WRITE)
    user = await backend.member(fresh("user"))
    stub = GuardrailServiceStub(backend.channel("guardrail"))
    page = await stub.ListTools(
        pb.ListToolsRequest(page_size=200), timeout=DEADLINE, metadata=await backend.proof(user)
    )
    assert hidden not in {tool.tool for tool in page.tools}
