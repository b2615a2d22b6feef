"""HTTP/JSON in front of the whole stack: methods, problems, pages, public documents."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from embedded.ports import free_ports
from embedded.stack import Stack
from gateway.http.resources import OPENAPI
from gateway.http.routes import CONTRACTS
from services.kit import certs
from tests.support.backend import Backend, fresh
from tests.support.edge import Edge, edge_of
from tests.support.waiting import eventually

PAGE = "https://shop.example"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(stack: Stack) -> AsyncIterator[Edge]:
    brand = await Backend(stack).brand()
    async with edge_of(stack, hosts={f"{brand}.localhost": f"acme/{brand}"}) as made:
        rules = {"origins": [PAGE], "methods": ["GET", "POST"], "headers": ["content-type"], "credentials": True}
        answer = await made.client.put(f"/v1/brands/{brand}/edge", headers=made.key(), json={"edge": rules})
        assert answer.status_code == 200, answer.text
        yield replace(made, brand=brand)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem details of a refusal, in their full form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert {"type", "title", "detail", "code"} <= set(found)
    return found


async def test_a_resource_is_made_read_changed_and_removed(edge: Edge) -> None:
    user = fresh("user")
    made = await edge.client.post(
        "/v1/members", headers=edge.key(), json={"member": {"user": user, "roles": ["viewer"]}}
    )
    assert made.status_code == 200, made.text
    read = await edge.client.get(f"/v1/members/{user}", headers=edge.key())
    assert read.json()["member"]["roles"] == ["viewer"]
    path = f"/v1/members/{user}"
    change = {"roles": ["member"], "updateMask": "roles", "etag": read.json()["member"]["etag"]}
    changed = await edge.client.patch(path, headers=edge.key(), json=change)
    assert changed.status_code == 200, changed.text
    assert changed.json()["member"]["roles"] == ["member"]
    assert problem(await edge.client.patch(path, headers=edge.key(), json=change), 409)["code"]
    removed = await edge.client.post(f"{path}:remove", headers=edge.key(), json={})
    assert removed.status_code == 200, removed.text
    assert problem(await edge.client.get(path, headers=edge.key()), 404)["code"] == "not_found"


async def test_a_denial_is_an_answer(edge: Edge, stack: Stack) -> None:
    body = {"action": "chat.send", "resource": {"type": "Brand", "id": stack.other.brand}}
    answer = await edge.client.post("/v1/tenancy:authorize", headers=edge.key(), json=body)
    assert answer.status_code == 200
    assert (answer.json()["outcome"], answer.json()["reason"]) == ("OUTCOME_DENY", "REASON_NOT_PERMITTED")


async def test_each_organisation_sees_its_own(edge: Edge, stack: Stack) -> None:
    own = await edge.client.get("/v1/brands", headers=edge.key())
    other = await edge.client.get("/v1/brands", headers=edge.key(stack.other.api_key))
    names = [{brand["brand"] for brand in answer.json()["brands"]} for answer in (own, other)]
    assert stack.brand in names[0]
    assert names[1] >= {stack.other.brand}
    assert not names[0] & names[1]


async def test_contract_rules_are_problems_that_name_fields(edge: Edge) -> None:
    answer = await edge.client.post(
        "/v1/brands", headers=edge.key(), json={"brand": {"brand": "NO", "displayName": "x"}}
    )
    (violation,) = problem(answer, 400)["violations"]
    assert violation["field"] == "brand.brand"
    answer = await edge.client.post("/v1/brands", headers=edge.key(), json={"brand": {"display_name": 1}})
    assert problem(answer, 400)["violations"][0]["field"] == "brand.displayName"


async def test_a_scope_that_is_missing_is_forbidden(edge: Edge, stack: Stack) -> None:
    answer = await edge.client.get("/v1/members", headers=edge.user(stack.admin))
    assert problem(answer, 403)["code"] == "scope_missing"


@pytest.mark.parametrize(
    "field", [{}, {"x-api-key": "hbk_live_x"}, {"authorization": "Basic YTpi"}, {"authorization": "x"}]
)
async def test_without_a_good_credential_all_look_alike(edge: Edge, field: dict[str, str]) -> None:
    answer = await edge.client.get("/v1/brands", headers=field)
    assert problem(answer, 401)["code"] == "credential_not_accepted"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_paths_verbs_head_and_options(edge: Edge) -> None:
    assert problem(await edge.client.get("/v1/nothing", headers=edge.key()), 404)["code"] == "no_such_path"
    answer = await edge.client.delete("/v1/brands", headers=edge.key())
    assert problem(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    plain = await edge.client.options("/v1/brands")
    assert (plain.status_code, plain.headers["allow"], plain.content) == (204, "GET, HEAD, POST, OPTIONS", b"")
    head = await edge.client.head("/v1/settings", headers=edge.key())
    full = await edge.client.get("/v1/settings", headers=edge.key())
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"]


async def test_every_answer_has_the_plain_security_headers(edge: Edge) -> None:
    for path in ("/v1/brands", "/v1/nothing", "/openapi.json"):
        fields = (await edge.client.get(path)).headers
        assert fields["x-content-type-options"] == "nosniff"
        assert fields["strict-transport-security"]
        assert "server" not in fields


@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/.well-known/context-jwks.json", "/openapi.json"])
async def test_public_documents_are_cached_and_asked_for_again_cheaply(edge: Edge, path: str) -> None:
    first = await edge.client.get(path)
    assert first.status_code == 200
    assert first.headers["cache-control"].startswith("public, max-age=")
    again = await edge.client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await edge.client.get(path, headers={"if-none-match": '"other"'})).status_code == 200


async def test_the_key_sets_stay_apart_and_hold_no_private_part(edge: Edge) -> None:
    sets = [(await edge.client.get(f"/.well-known/{name}.json")).json()["keys"] for name in ("jwks", "context-jwks")]
    assert {key["kty"] for key in sets[0]} == {"EC"}
    assert {key["kty"] for key in sets[1]} == {"RSA"}
    assert not {"d", "p", "q", "k"} & {name for keys in sets for key in keys for name in key}


async def test_the_served_description_is_the_committed_one(edge: Edge) -> None:
    assert (await edge.client.get("/openapi.json")).json() == json.loads(OPENAPI.read_text())


def preflight(edge: Edge, **change: str) -> dict[str, str]:
    asked = {
        **edge.at(edge.brand),
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    return {name: value for name, value in (asked | change).items() if value}


async def test_a_listed_page_may_call(edge: Edge) -> None:
    answer = await edge.client.options("/v1/brands", headers=preflight(edge))
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "POST" in answer.headers["access-control-allow-methods"]
    own = edge.key() | edge.at(edge.brand) | {"origin": PAGE}
    call = await edge.client.get("/v1/nothing", headers=own)
    assert call.status_code == 404
    call = await edge.client.post("/v1/brands", headers=own, json={"x": 1})
    assert call.headers["access-control-allow-origin"] == PAGE
    assert "nonce-" in call.headers["content-security-policy"]


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "https://shop.example.evil"},
        {"origin": "null"},
        {"origin": "http://shop.example"},
        {"access-control-request-method": "PATCH"},
        {"access-control-request-method": "post"},
        {"access-control-request-method": "DELETE"},
        {"access-control-request-headers": "content-type, x-api-key"},
        {"access-control-request-headers": ",".join("abcdefgh"[n % 8] * (n + 1) for n in range(63))},
        {"host": "acme-chat.example"},
        {"host": "127.0.0.1"},
    ],
)
async def test_any_other_preflight_is_refused_without_a_line_that_helps(edge: Edge, change: dict[str, str]) -> None:
    answer = await edge.client.options("/v1/brands", headers=preflight(edge, **change))
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_as_a_process_of_its_own(stack: Stack, tmp_path: Path) -> None:
    """Over mTLS to each service, with settings from a file."""
    own = certs.issue(stack.layout.tls, "hauberk.local", "backend/edge", serves=["edge"])
    (port,) = free_ports(1)
    peers = dict.fromkeys([peer for peer, _ in CONTRACTS], stack.address)
    settings = {"listen": f"127.0.0.1:{port}", "peers": peers, "drain": 0}
    settings |= {"tls_cert": str(own.cert), "tls_key": str(own.key), "tls_ca": str(own.ca)}
    (tmp_path / "edge.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "cli.main", "serve", "edge", "--config", str(tmp_path / "edge.yaml")]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        trusted = ssl.create_default_context(cafile=own.ca)
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusted, timeout=5) as client:

            async def alive() -> bool:
                try:
                    return (await client.get("/livez")).status_code == 200
                except httpx.ConnectError:
                    return False

            await eventually(alive)
            answer = await client.get("/v1/settings", headers={"x-api-key": stack.api_key})
            assert answer.status_code == 200, answer.text
            assert (await client.get("/v1/settings")).status_code == 401
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_one_trace_leads_from_the_request_to_the_service(
    edge: Edge, stack: Stack, spans: InMemorySpanExporter
) -> None:
    trace = fresh("").replace("-", "").ljust(32, "0")[:32]
    fields = edge.key() | {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    assert (await edge.client.get("/v1/settings", headers=fields)).status_code == 200
    stack.flush_spans()
    found = [span for span in spans.get_finished_spans() if f"{span.context.trace_id:032x}" == trace]
    services = {str(span.resource.attributes["service.name"]) for span in found}
    assert {"edge", "auth", "ratelimit", "tenancy"} <= services
    (root,) = [span for span in found if span.name == "http"]
    assert (root.attributes or {})["rpc.method"] == "hauberk.tenancy.v1.TenancyService/GetSettings"
