"""First read what is secret, then send something out: a way around the order of calls is looked for."""

from __future__ import annotations

import asyncio

from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

from tests.attacks.toolbox import NOTHING
from tests.support.backend import Backend, allowed, fresh, said


async def test_nothing_leaves_after_it(backend: Backend) -> None:
    secret = await backend.tool(NOTHING, risk=pb.TOOL_RISK_READ, labels=["secret"])
    send = await backend.tool(NOTHING, risk=pb.TOOL_RISK_EGRESS)  # the policy names the label for this risk
    own = await backend.tool(NOTHING, risk=pb.TOOL_RISK_WRITE, not_after=["secret"])
    user, talk = await backend.member(fresh("user")), fresh("talk")
    admission = await backend.admitted(user, conversation=talk)
    assert allowed(await backend.call_tool(admission, send, "{}")), "before it, it may"
    assert allowed(await backend.call_tool(admission, secret, "{}"))
    for tool in (send, own):
        assert said(await backend.call_tool(admission, tool, "{}")) == "DENY TOOL_SEQUENCE"

    later = await backend.admitted(user, conversation=talk)
    assert said(await backend.call_tool(later, send, "{}")) == "DENY TOOL_SEQUENCE", "a new request, the same talk"
    elsewhere = await backend.admitted(user, conversation=fresh("talk"))
    assert allowed(await backend.call_tool(elsewhere, send, "{}"))


async def test_both_at_once_are_one_after_the_other(backend: Backend) -> None:
    secret = await backend.tool(NOTHING, risk=pb.TOOL_RISK_READ, labels=["secret"])
    send = await backend.tool(NOTHING, risk=pb.TOOL_RISK_EGRESS, not_after=["sent"], labels=["sent"])
    user = await backend.member(fresh("user"))
    admission = await backend.admitted(user, conversation=fresh("talk"))
    calls = [backend.call_tool(admission, tool, "{}") for tool in (send, send, send, secret, secret)]
    answers = await asyncio.gather(*calls)
    assert sum(map(allowed, answers[:3])) <= 1, "the first one forbids the next"
    assert said(await backend.call_tool(admission, send, "{}")) == "DENY TOOL_SEQUENCE"
