"""Requests over HTTP whose end is in dispute: whoever stands in front must not see another one than we."""

from __future__ import annotations

import pytest

from tests.support.edge import Edge
from tests.support.raw_http import exchanged

HIDDEN = b"GET /v1/brands HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        ("content-length: 5", "transfer-encoding: chunked"),
        ("transfer-encoding: chunked", "transfer-encoding: identity"),
        ("content-length: 5", "content-length: 6"),
        ("content-length: +5",),
        ("content-length: 0x5",),
        ("content-length: -1",),
        ("transfer-encoding: xchunked",),
        ("transfer-encoding: chunked, identity",),
        ("transfer-encoding : chunked",),
        (" content-length: 5",),
        ("x: y\rz", "content-length: 0"),
        ("x: y\x00z", "content-length: 0"),
    ],
)
async def test_none_is_served(edge: Edge, fields: tuple[str, ...]) -> None:
    own = f"x-api-key: {edge.stack.api_key}"
    for first in ("POST /v1/tenancy:authorize HTTP/1.1", "GET /v1/brands HTTP/1.1"):
        answer = await exchanged(edge, first, own, *fields, body=b"0\r\n\r\n" + HIDDEN)
        assert 400 <= answer.status < 600, answer
        assert answer.status != 200
        assert b"acme-chat" not in answer.rest


async def test_a_body_of_a_get_is_not_left_for_the_next_request(edge: Edge) -> None:
    own = f"x-api-key: {edge.stack.api_key}"
    length = f"content-length: {len(HIDDEN)}"
    answer = await exchanged(
        edge, "GET /v1/brands HTTP/1.1", own, length, "content-type: application/json", body=HIDDEN
    )
    assert answer.status == 400


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "host", "origin"])
async def test_a_field_that_counts_stands_once(edge: Edge, name: str) -> None:
    own = f"{name}: {edge.stack.api_key}"
    answer = await exchanged(edge, "GET /v1/brands HTTP/1.1", own, f"{name}: x")
    assert answer.status == 400


async def test_two_credentials_are_none(edge: Edge) -> None:
    both = edge.key() | edge.user(edge.stack.admin)
    assert (await edge.client.get("/v1/brands", headers=both)).status_code == 400
