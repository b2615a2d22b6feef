"""Bodies over HTTP that are too large, never end, or are JSON in name only."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.support.edge import Edge
from tests.support.raw_http import exchanged

PATH = "/v1/tenancy:authorize"


async def test_a_large_body_is_refused_by_its_length_alone(edge: Edge) -> None:
    own = f"x-api-key: {edge.stack.api_key}"
    answer = await exchanged(
        edge, f"POST {PATH} HTTP/1.1", own, "content-type: application/json", "content-length: 99999"
    )
    assert answer.status == 413


async def test_one_that_hides_its_length_is_refused_on_the_way(edge: Edge) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1024

    answer = await edge.client.post(PATH, headers=edge.key() | {"content-type": "application/json"}, content=pieces())
    assert answer.status_code == 413


async def test_one_that_never_comes_is_not_waited_for(edge: Edge) -> None:
    own = f"x-api-key: {edge.stack.api_key}"
    answer = await exchanged(
        edge, f"POST {PATH} HTTP/1.1", own, "content-type: application/json", "content-length: 50", body=b"{"
    )
    assert answer.status == 408


async def test_who_is_not_known_sends_no_body_at_all(edge: Edge) -> None:
    answer = await exchanged(edge, f"POST {PATH} HTTP/1.1", "content-type: application/json", "content-length: 50")
    assert answer.status == 401


@pytest.mark.parametrize(
    "body",
    [
        "[" * 1500,
        '{"a":' * 600 + "1" + "}" * 600,
        "1" * 4000,
        "[]",
        "null",
        '"x"',
        '{"action": NaN}',
        "\ufeff{}",
        '{"action":"chat.send"} {}',
    ],
)
async def test_deep_and_odd_json_is_refused(edge: Edge, body: str) -> None:
    headers = edge.key() | {"content-type": "application/json"}
    answer = await edge.client.post(PATH, headers=headers, content=body.encode())
    assert answer.status_code == 400
    assert answer.json()["code"] in ("invalid_json", "invalid_argument")


async def test_other_media_types_are_not_guessed(edge: Edge) -> None:
    body = json.dumps({"action": "chat.send"}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/x-protobuf", ""):
        answer = await edge.client.post(PATH, headers=edge.key() | {"content-type": kind}, content=body)
        assert answer.status_code == 415
