"""A model slips in an argument that the tool never declared, or one of another form."""

from __future__ import annotations

import pytest
from hauberk.common.v1 import decision_pb2 as common

from embedded.stack import Stack
from tests.attacks.toolbox import READ, READ_BRAND, arguments
from tests.support.backend import Backend, allowed, fresh

WRONG = (
    arguments(brand="acme-chat", admin=True),
    arguments(brand="acme-chat", __proto__={"admin": True}),
    arguments(brand="acme-chat", limit="1; DROP TABLE users"),
    arguments(brand="acme-chat", limit=51),
    arguments(brand=["acme-chat"]),
    arguments(limit=1),
    "[]",
    '"brand"',
    "null",
    "",
    "{",
    '{"brand": "acme-chat"} {"brand": "globex-chat"}',
)


@pytest.mark.parametrize("written", WRONG)
async def test_it_is_refused_in_words_that_repair(backend: Backend, written: str) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    answer = await backend.call_tool(admission, tool, written)
    assert answer.outcome == common.OUTCOME_DENY
    assert answer.reason == common.REASON_TOOL_CALL_REFUSED
    assert answer.repair
    assert "DROP TABLE" not in answer.repair
    assert not answer.arguments_json


async def test_the_repaired_call_is_allowed(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    assert allowed(await backend.call_tool(admission, tool, arguments(brand=target.brand, limit=5)))
