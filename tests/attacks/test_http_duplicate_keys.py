"""JSON over HTTP that two readers understand in two ways."""

from __future__ import annotations

import pytest

from tests.support.edge import Edge

ALLOWED = '{"type":"Brand","id":"acme-chat"}'
OTHER = '{"type":"Brand","id":"globex-chat"}'


@pytest.mark.parametrize(
    "body",
    [
        f'{{"action":"chat.send","resource":{ALLOWED},"resource":{OTHER}}}',
        f'{{"action":"chat.send","action":"chat.send","resource":{ALLOWED}}}',
        '{"action":"chat.send","resource":{"type":"Brand","id":"acme-chat","id":"globex-chat"}}',
        '{"action":"chat.send","resource":{"type":"Brand","id":"acme-chat","\\u0069d":"globex-chat"}}',
    ],
)
async def test_a_key_twice_is_no_question(edge: Edge, body: str) -> None:
    headers = edge.key() | {"content-type": "application/json"}
    answer = await edge.client.post("/v1/tenancy:authorize", headers=headers, content=body)
    assert answer.status_code == 400
    answer = await edge.client.post("/access/v1/evaluation", headers=headers, content=body)
    assert answer.status_code == 400


async def test_a_field_under_both_of_its_names_is_refused(edge: Edge) -> None:
    body = {"brand": {"brand": "x-y", "displayName": "a", "display_name": "b"}}
    answer = await edge.client.post("/v1/brands", headers=edge.key(), json=body)
    assert answer.status_code == 400
