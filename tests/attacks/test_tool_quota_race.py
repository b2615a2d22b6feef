"""Many calls at once, to get more of them through than may be: the count is one transaction."""

from __future__ import annotations

import asyncio

from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

from tests.attacks.toolbox import NOTHING
from tests.support.backend import Backend, allowed, fresh, said


async def test_exactly_as_many_as_may(backend: Backend) -> None:
    tool = await backend.tool(NOTHING, quota=pb.ToolQuota(per_conversation=3))
    user, talk = await backend.member(fresh("user")), fresh("talk")
    admissions = await asyncio.gather(*(backend.admitted(user, conversation=talk) for _ in range(3)))
    answers = await asyncio.gather(*(backend.call_tool(one, tool, "{}") for one in admissions * 3))
    assert sum(map(allowed, answers)) == 3
    assert {said(answer) for answer in answers if not allowed(answer)} == {"DENY TOOL_QUOTA"}
    assert all(answer.repair for answer in answers if not allowed(answer))

    elsewhere = await backend.admitted(user, conversation=fresh("talk"))
    assert allowed(await backend.call_tool(elsewhere, tool, "{}"))


async def test_another_admission_is_another_request_and_the_hour_counts_both(backend: Backend) -> None:
    tool = await backend.tool(NOTHING, quota=pb.ToolQuota(per_admission=1, per_hour=2))
    user = await backend.member(fresh("user"))
    for expected in ("ALLOW NONE", "ALLOW NONE", "DENY TOOL_QUOTA"):
        admission = await backend.admitted(user, conversation=fresh("talk"))
        assert said(await backend.call_tool(admission, tool, "{}")) == expected
        assert said(await backend.call_tool(admission, tool, "{}")) == "DENY TOOL_QUOTA"
