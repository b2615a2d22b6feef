"""A page of somebody else's lets the browser of a user call: the cookie comes along, and is not enough."""

from __future__ import annotations

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth

from tests.support.backend import Backend
from tests.support.edge import Edge
from tests.support.sessions import opened

COOKIE = "__Host-hauberk-session"


@pytest.mark.parametrize("origin", ["", "https://evil.example", "null", "https://acme-chat.localhost.evil.example"])
async def test_it_changes_nothing(edge: Edge, backend: Backend, origin: str) -> None:
    session = await opened(backend, auth.Credential(jwt=edge.stack.user_jwt(edge.stack.admin)))
    cookie = {"cookie": f"{COOKIE}={session.session}"}
    page = {"origin": origin} if origin else {}
    body = {"action": "chat.send", "resource": {"type": "Brand", "id": "acme-chat"}}
    for host in ({}, edge.at("acme-chat")):
        answer = await edge.client.post("/v1/tenancy:authorize", headers=cookie | page | host, json=body)
        assert answer.status_code in (401, 403)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_two_sessions_are_none(edge: Edge, backend: Backend) -> None:
    session = await opened(backend, auth.Credential(jwt=edge.stack.user_jwt(edge.stack.admin)))
    good = {"cookie": f"{COOKIE}={session.session}"}
    assert (await edge.client.get("/v1/brands", headers=good)).status_code == 200
    both = {"cookie": f"{COOKIE}={session.session}; {COOKIE}={session.session}"}
    assert (await edge.client.get("/v1/brands", headers=both)).status_code == 400
