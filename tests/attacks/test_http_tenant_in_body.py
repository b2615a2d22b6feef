"""Over HTTP, a request that names another organisation: nowhere is there a place for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.edge import Edge


@pytest.mark.parametrize("name", ["organisation", "org_id", "orgId", "tenant", "brand.organisation"])
async def test_a_body_names_no_organisation(edge: Edge, name: str) -> None:
    outer, _, inner = name.partition(".")
    body: dict[str, Any] = {outer: {inner: "globex"} if inner else "globex"}
    answer = await edge.client.post("/v1/brands", headers=edge.key(), json=body)
    assert answer.status_code == 400
    assert answer.json()["violations"][0]["field"].startswith(outer.replace("_id", "Id"))


@pytest.mark.parametrize("query", ["organisation=globex", "org_id=globex", "tenant=globex", "txn-token=x"])
async def test_nor_does_a_query(edge: Edge, query: str) -> None:
    answer = await edge.client.get(f"/v1/brands?{query}", headers=edge.key())
    assert answer.status_code == 400


async def test_a_host_of_another_organisation_takes_no_credential_of_ours(edge: Edge) -> None:
    other = edge.stack.other.brand
    for own in (edge.key(), edge.user(edge.stack.admin)):
        assert (await edge.client.get("/v1/brands", headers=own | edge.at(other))).status_code in (401, 403)
    good = await edge.client.get("/v1/brands", headers=edge.key(edge.stack.other.api_key) | edge.at(other))
    assert good.status_code == 200
