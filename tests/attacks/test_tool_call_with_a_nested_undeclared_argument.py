"""A field that nobody declared, deep inside what was declared."""

from __future__ import annotations

import json

from embedded.stack import Stack
from tests.attacks.toolbox import READ
from tests.support.backend import Backend, allowed, fresh, said

CLOSED = {
    "type": "object",
    "properties": {
        "query": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "where": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"brand": {"type": "string", "x-resource": "Brand"}},
                    },
                }
            },
        }
    },
}


async def test_it_is_refused_with_its_place(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(json.dumps(CLOSED), READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    inner = {"brand": target.brand}
    assert allowed(await backend.call_tool(admission, tool, json.dumps({"query": {"where": [inner]}})))
    for given, place in (
        ({"query": {"where": [inner, {**inner, "org_id": "globex"}]}}, "/query/where/1"),
        ({"query": {"where": [inner], "tenant": "globex"}}, "/query"),
        ({"query": {"where": [{"brand ": target.brand}]}}, "/query/where/0"),
    ):
        answer = await backend.call_tool(admission, tool, json.dumps(given))
        assert said(answer) == "DENY TOOL_CALL_REFUSED"
        assert f"{place}: only these fields are taken" in answer.repair
        assert "globex" not in answer.repair
    foreign = {"query": {"where": [inner, {"brand": target.other.brand}]}}
    assert said(await backend.call_tool(admission, tool, json.dumps(foreign))) == "DENY NOT_PERMITTED"
