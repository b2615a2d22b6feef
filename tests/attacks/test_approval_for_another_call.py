"""An approval is bound to tool, definition, exact arguments, user, brand and conversation: it opens no other call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

from embedded.stack import Stack
from tests.attacks.toolbox import HOME, granted
from tests.support.backend import Backend, allowed, fresh, said

PAY = json.dumps({"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]})
MONEY: dict[str, Any] = {"risk": pb.TOOL_RISK_MONEY, "needs_approval": True}


async def test_it_opens_nothing_else(target: Stack, backend: Backend) -> None:
    tool, other = await backend.tool(PAY, **MONEY), await backend.tool(PAY, **MONEY)
    user, talk = await backend.member(fresh("user")), fresh("talk")
    admission = await backend.admitted(user, brand=HOME, conversation=talk)
    asked = await backend.call_tool(admission, tool, '{"amount": 5}', request_approval=True)
    await granted(backend, asked.approval)

    elsewhere = await backend.admitted(user, brand=HOME, conversation=fresh("talk"))
    somebody = await backend.admitted(await backend.member(fresh("user")), brand=HOME, conversation=talk)
    foreign = await backend.admitted(await backend.member(organisation=target.other), conversation=talk)
    for holder, called, text in (
        (admission, tool, '{"amount": 500}'),
        (admission, tool, '{"amount":5}'),
        (admission, tool, '{"amount": 5.0}'),
        (admission, other, '{"amount": 5}'),
        (elsewhere, tool, '{"amount": 5}'),
        (somebody, tool, '{"amount": 5}'),
    ):
        answer = await backend.call_tool(holder, called, text, approval=asked.approval)
        assert said(answer) == "DENY APPROVAL_NOT_ACCEPTED", text
        assert not answer.arguments_json
    assert not allowed(await backend.call_tool(foreign, tool, '{"amount": 5}', approval=asked.approval))

    await backend.tool(PAY, name=tool, description="pays twice", **MONEY)  # waits, so nobody can call it
    changed = await backend.call_tool(admission, tool, '{"amount": 5}', approval=asked.approval)
    assert said(changed) == "DENY TOOL_CHANGED"
    await backend.tool(PAY, name=tool, **MONEY)
    assert allowed(await backend.call_tool(admission, tool, '{"amount": 5}', approval=asked.approval))


@pytest.mark.parametrize("approval", ["apr_" + "0" * 32])
async def test_a_guessed_one_is_the_same_answer(backend: Backend, approval: str) -> None:
    tool = await backend.tool(PAY, **MONEY)
    admission = await backend.admitted(await backend.member(fresh("user")), brand=HOME)
    answer = await backend.call_tool(admission, tool, '{"amount": 5}', approval=approval)
    assert said(answer) == "DENY APPROVAL_NOT_ACCEPTED"
