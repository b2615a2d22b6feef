"""Argument names that only look like the declared ones, and tools that only look like a registered one."""

from __future__ import annotations

import json

import pytest

from embedded.stack import Stack
from tests.attacks.toolbox import READ, READ_BRAND
from tests.support.backend import Backend, allowed, fresh, said

NAMES = (
    "br\u0430nd",
    "brand\u200b",
    "\uff42rand",
    "Brand",
    "brand ",
    "bra\u0301nd",
    "\ufeffbrand",
    "brand\u0000",
    "b\u0072and\u00ad",
)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
async def test_a_name_is_the_declared_one_or_undeclared(target: Stack, backend: Backend, name: str) -> None:
    tool = await _tool(backend)
    admission = await backend.admitted(await backend.member(fresh("user")))
    for given in ({name: target.brand}, {"brand": target.brand, name: target.other.brand}):
        for text in (json.dumps(given), json.dumps(given, ensure_ascii=False)):
            answer = await backend.call_tool(admission, tool, text)
            assert not allowed(answer)
            assert not answer.arguments_json
            assert said(answer) == "DENY TOOL_CALL_REFUSED"


async def _tool(backend: Backend) -> str:
    return await backend.tool(READ_BRAND, READ, name="lookalikes")


async def test_an_escaped_name_is_the_name(target: Stack, backend: Backend) -> None:
    tool = await _tool(backend)
    admission = await backend.admitted(await backend.member(fresh("user")))
    text = '{"\\u0062rand": "%s"}'
    assert said(await backend.call_tool(admission, tool, text % target.other.brand)) == "DENY NOT_PERMITTED"
    assert allowed(await backend.call_tool(admission, tool, text % target.brand))
    both = f'{{"brand": "{target.brand}", "\\u0062rand": "{target.other.brand}"}}'
    assert said(await backend.call_tool(admission, tool, both)) == "DENY TOOL_CALL_REFUSED", "one key twice"
