"""A tool argument that leaves the product (`x-egress`) is where an injected model would put the user's data."""

from __future__ import annotations

import hashlib
import json

from tests.support.backend import Backend, allowed, fresh

SSN = "457-55-5462"
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "to": {"type": "string", "x-egress": True},
            "body": {"type": "string", "x-egress": True},
            "parts": {"type": "array", "items": {"type": "string"}, "x-egress": True},
            "note": {"type": "string"},
        },
        "additionalProperties": False,
    }
)


async def test_an_egress_argument_is_never_filled(backend: Backend) -> None:
    tool = await backend.tool(SCHEMA)
    user = await backend.member(fresh("victim"))
    admission = await backend.admitted(user, f"My SSN is {SSN}")
    arguments = json.dumps({"to": "eve <US_SSN>", "body": "<US_SSN>", "parts": ["a", "<US_SSN>"], "note": "<US_SSN>"})
    answer = await backend.call_tool(admission, tool, arguments)
    if allowed(answer):
        given = json.loads(answer.arguments_json)
        assert SSN not in json.dumps([given["to"], given["body"], given["parts"]])
        assert given["note"] == SSN, "an argument that stays inside is the user's own value"
        assert answer.arguments_sha256 == hashlib.sha256(answer.arguments_json.encode()).hexdigest()
    else:
        assert not answer.arguments_json


async def test_nor_by_another_spelling_of_its_name(backend: Backend) -> None:
    tool = await backend.tool(SCHEMA)
    user = await backend.member(fresh("victim"))
    for arguments in ('{"bo\\u0064y": "<US_SSN>"}', '{"body": "\\u003cUS_SSN\\u003e"}', '{"body": {"x": "<US_SSN>"}}'):
        admission = await backend.admitted(user, f"My SSN is {SSN}")
        answer = await backend.call_tool(admission, tool, arguments)
        assert SSN not in answer.arguments_json
        assert SSN not in answer.repair


async def test_a_value_cannot_break_out_of_its_string(backend: Backend) -> None:
    tool = await backend.tool(SCHEMA)
    user = await backend.member(fresh("victim"))
    address = '"o\'x"@mail.example'
    admission = await backend.admitted(user, f"Write to {address} or to a.b@mail.example")
    answer = await backend.call_tool(admission, tool, '{"note": "<EMAIL_ADDRESS> <EMAIL_ADDRESS_2>"}')
    if answer.arguments_json:
        assert set(json.loads(answer.arguments_json)) == {"note"}
