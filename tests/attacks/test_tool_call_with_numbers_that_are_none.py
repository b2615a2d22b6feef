"""NaN and Infinity are no JSON, and no comparison with them is ever wrong: a bound would let them pass."""

from __future__ import annotations

import pytest
from hauberk.common.v1 import decision_pb2 as common

from tests.attacks.toolbox import READ, READ_BRAND
from tests.support.backend import Backend, fresh

NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10", "1" * 400, "1e-9999999")


@pytest.mark.parametrize("number", NUMBERS)
async def test_it_is_refused(backend: Backend, number: str) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    answer = await backend.call_tool(admission, tool, f'{{"brand": "acme-chat", "limit": {number}}}')
    assert (answer.outcome, answer.reason) == (common.OUTCOME_DENY, common.REASON_TOOL_CALL_REFUSED)
    assert not answer.arguments_json


async def test_nor_a_nest_without_a_bottom(backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    answer = await backend.call_tool(admission, tool, '{"brand":' + "[" * 50_000 + "]" * 50_000 + "}")
    assert (answer.outcome, answer.reason) == (common.OUTCOME_DENY, common.REASON_TOOL_CALL_REFUSED)
