"""The same key twice: one reader checks the first, another executes the last."""

from __future__ import annotations

import pytest
from hauberk.common.v1 import decision_pb2 as common

from tests.attacks.toolbox import READ, READ_BRAND
from tests.support.backend import Backend, fresh

TWICE = (
    '{"brand": "acme-chat", "brand": "globex-chat"}',
    '{"brand": "globex-chat", "brand": "acme-chat"}',
    '{"brand": "acme-chat", "br\\u0061nd": "globex-chat"}',
)


@pytest.mark.parametrize("written", TWICE)
async def test_it_is_refused(backend: Backend, written: str) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    answer = await backend.call_tool(admission, tool, written)
    assert (answer.outcome, answer.reason) == (common.OUTCOME_DENY, common.REASON_TOOL_CALL_REFUSED)
    assert not answer.arguments_json
