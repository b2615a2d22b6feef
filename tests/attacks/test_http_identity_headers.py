"""Fields that say who is asking, sent from outside over HTTP: none is believed."""

from __future__ import annotations

import pytest

from tests.attacks.forge import Forge
from tests.support.edge import Edge


@pytest.fixture
def claims(forge: Forge) -> dict[str, str]:
    return {
        "txn-token": forge.genuine,
        "x-hauberk-organisation": "acme",
        "x-hauberk-subject": "ada",
        "x-hauberk-brand": "acme-chat",
        "x-forwarded-client-cert": "URI=spiffe://hauberk.local/operator",
        "x-workload": "operator",
        "grpc-metadata-txn-token": forge.genuine,
    }


async def test_a_transaction_token_from_outside_is_no_credential(edge: Edge, claims: dict[str, str]) -> None:
    assert (await edge.client.get("/v1/brands", headers=claims)).status_code == 401
    bearer = {"authorization": f"Bearer {claims['txn-token']}"}
    assert (await edge.client.get("/v1/brands", headers=bearer)).status_code == 401


async def test_beside_a_credential_they_change_nothing(edge: Edge, claims: dict[str, str]) -> None:
    other = edge.key(edge.stack.other.api_key)
    plain = await edge.client.get("/v1/brands", headers=other)
    claimed = await edge.client.get("/v1/brands", headers=claims | other)
    assert claimed.json() == plain.json()
    assert "acme-chat" not in claimed.text


@pytest.mark.parametrize("name", ["x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"])
async def test_neither_verb_nor_path_comes_from_a_field(edge: Edge, name: str) -> None:
    headers = edge.key() | {name: "DELETE" if "method" in name else "/v1/operator/plans"}
    answer = await edge.client.get("/v1/keySettings", headers=headers)
    assert answer.status_code == 200
    assert "plans" not in answer.json()


async def test_a_forwarded_address_of_nobody_we_know_is_not_the_client(edge: Edge) -> None:
    """A key that is bound to another address is not helped by naming that address."""
    bound = {
        "displayName": "x",
        "subject": edge.stack.admin,
        "allowedAddresses": ["203.0.113.7"],
        "scopes": ["audit.read"],
    }
    made = await edge.client.post("/v1/apiKeys", headers=edge.key(), json=bound)
    assert made.status_code == 200, made.text
    for field in ("x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip"):
        headers = edge.key(made.json()["apiKey"]) | {field: "203.0.113.7"}
        assert (await edge.client.get("/v1/brands", headers=headers)).status_code == 401
