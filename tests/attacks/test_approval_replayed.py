"""An approval is good for one call: used again, by the same user for the same call, it is worth nothing."""

from __future__ import annotations

import asyncio

from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

from tests.attacks.toolbox import HOME, NOTHING, granted
from tests.support.backend import Backend, allowed, fresh, said


async def test_it_is_spent_once_however_many_try(backend: Backend) -> None:
    tool = await backend.tool(NOTHING, needs_approval=True, risk=pb.TOOL_RISK_DESTRUCTIVE)
    user, talk = await backend.member(fresh("user")), fresh("talk")
    admission = await backend.admitted(user, brand=HOME, conversation=talk)
    asked = await backend.call_tool(admission, tool, "{}", request_approval=True)
    assert said(asked) == "NEEDS_APPROVAL TOOL_NEEDS_APPROVAL"
    assert asked.approval and not asked.arguments_json

    early = await backend.call_tool(admission, tool, "{}", approval=asked.approval)
    assert said(early) == "DENY APPROVAL_NOT_ACCEPTED"
    await granted(backend, asked.approval)

    tries = [backend.call_tool(admission, tool, "{}", approval=asked.approval) for _ in range(6)]
    answers = await asyncio.gather(*tries)
    assert sum(map(allowed, answers)) == 1
    assert {said(answer) for answer in answers if not allowed(answer)} == {"DENY APPROVAL_NOT_ACCEPTED"}

    later = await backend.admitted(user, brand=HOME, conversation=talk)
    again = await backend.call_tool(later, tool, "{}", approval=asked.approval)
    assert said(again) == "DENY APPROVAL_NOT_ACCEPTED"
