"""Paths over HTTP that one reader may see differently from another."""

from __future__ import annotations

import pytest

from tests.support.edge import Edge
from tests.support.raw_http import exchanged


@pytest.mark.parametrize(
    "path",
    [
        "/v1/members/..%2fbrands",
        "/v1/members/%2e%2e%2f%2e%2e%2fv1%2foperator%2forganisations",
        "/v1/members/../operator/organisations",
        "/v1/members/a%2f..%2f..%2foperator",
        "/v1/members/a%5c..",
        "/v1/members/a%00b",
        "/v1/members/%c0%ae%c0%ae",
        "/v1/members/;a=b/../x",
        "//v1/operator/organisations",
        "/v1/operator/organisations",
        "/V1/OPERATOR/organisations",
        "/v1/auth:authenticate",
        "/hauberk.tenancy.v1.TenancyService/ListOrganisations",
        "https://other.example/v1/operator/organisations",
    ],
)
async def test_none_leads_to_anything(edge: Edge, path: str) -> None:
    for verb in ("GET", "POST"):
        answer = await exchanged(
            edge, f"{verb} {path} HTTP/1.1", f"x-api-key: {edge.stack.api_key}", "content-length: 0"
        )
        assert answer.status in (400, 404, 405), answer
        assert b"organisations" not in answer.body
