"""A tool argument that leaves the product (`x-egress`) is where an injected model would put the user's data."""

from __future__ import annotations

import hashlib
import json

import grpc
from grpc import aio
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb

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


async def test_a_card_goes_only_into_an_argument_that_asks_for_it(backend: Backend) -> None:
    card = "4532015112830366"
    properties = {"card": {"type": "string", "x-restore": ["CREDIT_CARD"]}, "note": {"type": "string"}}
    tool = await backend.tool(json.dumps({"type": "object", "properties": properties}))
    user = await backend.member(fresh("victim"))
    admission = await backend.admitted(user, f"Pay with card {card}, my SSN is {SSN}")
    answer = await backend.call_tool(admission, tool, '{"card": "<credit_card>", "note": "<CREDIT_CARD> < US_SSN >"}')
    assert json.loads(answer.arguments_json) == {"card": card, "note": f"<CREDIT_CARD> {SSN}"}


async def test_personal_data_in_a_tools_result_goes_and_the_result_stays_json(backend: Backend) -> None:
    user = await backend.member(fresh("victim"))
    result = '{"id": 7, "owner": {"ssn": "457-55-5462", "mail": "j@mail.example"}, "card": 4532015112830366, "x": 1.50}'
    answer = await backend.admit(user, pb.ChatMessage(role=common.ROLE_TOOL, text=result))
    assert answer.messages[0].text == (
        '{"id": 7, "owner": {"ssn": "<US_SSN>", "mail": "<EMAIL_ADDRESS>"}, "card": "<CREDIT_CARD>", "x": 1.50}'
    )


async def test_what_is_said_to_be_json_and_is_not_is_refused(backend: Backend) -> None:
    user = await backend.member(fresh("victim"))
    broken = pb.ChatMessage(role=common.ROLE_USER, text='{"ssn": "457-55-5462"', media_type="application/json")
    try:
        answer = await backend.admit(user, broken)
    except aio.AioRpcError as refused:
        assert refused.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert SSN not in str(refused.details())
    else:
        assert not allowed(answer) and not answer.messages
