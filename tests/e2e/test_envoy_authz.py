"""Envoy with the shipped ext_authz before a product: who passes, what the product sees, and that nothing passes while
the gateway is down, slow, erroring or restarting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from hauberk.common.v1 import decision_pb2 as common
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cli.members import Administrator
from embedded.stack import Stack
from gateway.edge.authz import Authz
from services.kit.audit import SpooledTrail
from services.kit.errors import Unavailable
from tests.support import envoy
from tests.support.backend import fresh
from tests.support.envoy import DEPLOY, Document, Front
from tests.support.waiting import eventually

AUTHENTICATE = "/hauberk.auth.v1.AuthService/Authenticate"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(stack: Stack) -> AsyncIterator[Front]:
    async with envoy.front(stack.address, stack.folder, stack.client) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(edge: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with edge.envoy() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def bearer(stack: Stack) -> dict[str, str]:
    """A user that nobody else has spent the limits of."""
    user = fresh("edge")
    await Administrator(stack).add([user])
    return {"authorization": f"Bearer {stack.user_jwt(user)}"}


async def test_the_product_learns_who_asks_and_sees_no_credential(
    edge: Front, client: httpx.AsyncClient, bearer: dict[str, str], stack: Stack
) -> None:
    answer = await client.post(
        "/orders?x=1", headers={**bearer, "cookie": "a=b; __Host-hauberk-session=s"}, content=b"hello"
    )
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "origin", "what the product says of itself stays"
    assert '"user_brand.messages.minute";r=14' in answer.headers["ratelimit"]
    seen = edge.product.seen[-1]
    assert (seen.method, seen.path, seen.body) == ("POST", "/orders?x=1", b"hello")
    assert seen.all("x-hauberk-organisation") == [stack.organisation]
    assert seen.all("x-hauberk-brand") == [stack.brand]
    assert seen.all("x-hauberk-user")[0].startswith("edge-")
    assert seen.all("cookie") == ["a=b"]
    assert not seen.all("authorization")
    text = json.dumps(seen.headers)
    assert "eyJ" not in text, "no token of any kind goes on in a header"


@pytest.mark.parametrize("field", ["none", "mistyped", "unknown", "foreign"])
async def test_failed_credentials_get_one_answer(
    edge: Front, client: httpx.AsyncClient, stack: Stack, field: str
) -> None:
    key = stack.api_key
    values = {"mistyped": key[:-1] + ("0" if key[-1] != "0" else "1"), "unknown": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}
    values["foreign"] = "a-key-of-somebody-else-entirely"
    before = len(edge.product.seen)
    headers = {} if field == "none" else {"authorization": f"Bearer {values[field]}"}
    answer = await client.get("/", headers=headers)
    said = answer.json()
    assert answer.status_code == said["status"] == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert said["instance"].startswith("urn:hauberk:txn:")
    assert {name: said[name] for name in ("type", "title", "detail", "code")} == {
        "type": "about:blank",
        "title": "Unauthorized",
        "detail": "Please sign in again.",
        "code": "credential_not_accepted",
    }
    assert len(edge.product.seen) == before


async def test_a_spent_limit_says_when_to_come_back(
    edge: Front, client: httpx.AsyncClient, bearer: dict[str, str]
) -> None:
    answers = [await client.get("/", headers=bearer) for _ in range(17)]
    assert [answer.status_code for answer in answers] == [200] * 15 + [429] * 2
    assert 0 < int(answers[-1].headers["retry-after"]) <= 120
    assert answers[-1].json()["code"] == "rate_limited"
    assert '"user_brand.messages.minute";r=0' in answers[-1].headers["ratelimit"]


async def test_a_route_may_name_a_brand_of_its_envoy_and_no_other(edge: Front, bearer: dict[str, str]) -> None:
    def other(document: Document) -> None:
        (host,) = envoy.manager_of(document)["route_config"]["virtual_hosts"]
        kind = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
        settings = {"@type": kind, "check_settings": {"context_extensions": {"hauberk.brand": "globex-chat"}}}
        host["typed_per_filter_config"] = {"envoy.filters.http.ext_authz": settings}

    before = len(edge.product.seen)
    async with edge.envoy(change=other) as client:
        assert (await client.get("/", headers=bearer)).status_code == 503
    assert len(edge.product.seen) == before


async def test_one_trace_from_envoys_caller_on(
    client: httpx.AsyncClient, bearer: dict[str, str], stack: Stack, spans: InMemorySpanExporter
) -> None:
    theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
    await client.get("/", headers={**bearer, "traceparent": f"00-{theirs}-00f067aa0ba902b7-01"})
    await asyncio.to_thread(stack.flush_spans)
    found = [span for span in spans.get_finished_spans() if span.context and f"{span.context.trace_id:032x}" == theirs]
    services = {span.resource.attributes["service.name"] for span in found}
    assert {"gateway", "auth", "tenancy", "ratelimit"} <= services
    (check,) = [span for span in found if span.name == "envoy.service.auth.v3.Authorization/Check"]
    assert check.attributes is not None
    assert check.attributes["hauberk.outcome"] == "ALLOW"
    assert check.attributes["hauberk.workload"] == "envoy/edge"


async def test_every_decision_is_on_record(
    edge: Front, client: httpx.AsyncClient, bearer: dict[str, str], stack: Stack
) -> None:
    for _ in range(2):  # the second is let in from memory: a decision of its own all the same
        await client.get("/", headers=bearer)
    passed = [seen.all("x-hauberk-txn")[0] for seen in edge.product.seen[-2:]]
    assert len(set(passed)) == 2
    trail, proof = AuditServiceStub(stack.channel("audit")), await Administrator(stack).metadata()

    async def kept() -> bool:
        request = audit.QueryRequest(code="gateway.check", page_size=200)
        answer = await trail.Query(request, timeout=5, metadata=proof)
        return {*passed} <= {event.txn for event in answer.events if event.outcome == common.OUTCOME_ALLOW}

    assert await eventually(kept)


FAULTS = ("down", "slow", "restarting", "a service is away", "an exception", "no record")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hurried(edge: Front) -> AsyncIterator[httpx.AsyncClient]:
    """With the deadline that is shipped."""
    async with edge.envoy(change=envoy.shipped_deadline) as made:
        yield made


async def passes(client: httpx.AsyncClient, headers: dict[str, str]) -> bool:
    return (await client.get("/", headers=headers)).status_code == 200


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_passes_while_the_gateway_cannot_decide(
    edge: Front,
    hurried: httpx.AsyncClient,
    stack: Stack,
    bearer: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    handlers = stack._servers["auth"].handlers

    async def failing(*_: Any, **__: Any) -> Any:
        raise Unavailable("audit") if fault == "no record" else RuntimeError("10.1.2.3 is on fire")

    async def asked_three_times() -> list[httpx.Response]:
        return [await hurried.get("/", headers={**bearer, "user-agent": f"{fault} {n}"}) for n in range(3)]

    before = len(edge.product.seen)
    if fault in {"down", "slow"}:
        with edge.door.being("shut" if fault == "down" else "jammed"):
            answers = await asked_three_times()
    elif fault == "restarting":
        with edge.door.being("jammed"):
            pending = asyncio.gather(*(hurried.get("/", headers=bearer) for _ in range(3)))
            await asyncio.sleep(0.05)
            edge.door.cut()
            answers = await pending
    else:
        with monkeypatch.context() as broken:
            if fault == "a service is away":
                broken.delitem(handlers, AUTHENTICATE)
            else:
                kind, method = (Authz, "decide") if fault == "an exception" else (SpooledTrail, "emit")
                broken.setattr(kind, method, failing)
            answers = await asked_three_times()
    assert [answer.status_code for answer in answers] == [503] * 3
    assert len(edge.product.seen) == before, "something reached the product"
    assert "fire" not in "".join(answer.text for answer in answers)

    async def again() -> bool:
        return await passes(hurried, bearer)

    assert await eventually(again, 10), "Envoy did not find the gateway again"


async def test_what_could_not_be_decided_is_counted_as_an_error_not_as_a_refusal(
    edge: Front, stack: Stack, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Envoy that was told to let errors pass still passes no refusal: that is how the two can be told apart."""

    def loose(document: Document) -> None:
        found = envoy.filter_of(document, "ext_authz")
        assert found is not None
        found["failure_mode_allow"] = True

    async with edge.envoy(change=loose) as client:
        assert not await passes(client, {})
        assert await passes(client, bearer)
        with monkeypatch.context() as broken:
            broken.delitem(stack._servers["auth"].handlers, AUTHENTICATE)
            assert await passes(client, {**bearer, "user-agent": "unmet"})


@pytest.mark.parametrize("workload", ["envoy/other", "backend/edge"])
async def test_an_envoy_with_another_certificate_passes_nothing(
    edge: Front, bearer: dict[str, str], workload: str
) -> None:
    before = len(edge.product.seen)
    async with edge.envoy(workload) as client:
        assert (await client.get("/", headers=bearer)).status_code == 503
    assert len(edge.product.seen) == before


@pytest.mark.parametrize("spoil", [False, True])
@pytest.mark.parametrize("name", ["ext_authz", "ext_proc"])
async def test_the_shipped_configuration_is_valid_by_envoys_own_check(
    edge: Front, stack: Stack, name: str, spoil: bool
) -> None:
    def change(document: Document) -> None:
        envoy.shipped_deadline(document)
        if spoil:
            found = envoy.filter_of(document, name)
            assert found is not None
            found["failure_mode_allowed"] = False

    path, _ = envoy.configured(f"{name}.yaml", edge.folder, {}, stack.client("envoy/edge"), change)
    assert await envoy.accepts(path) is not spoil


def test_the_shipped_configuration_fails_closed() -> None:
    document = yaml.safe_load((DEPLOY / "ext_authz.yaml").read_text())
    found = envoy.filter_of(document, "ext_authz")
    assert found is not None
    assert found["failure_mode_allow"] is False
    assert found["encode_raw_headers"] is True
    assert found["grpc_service"]["timeout"] == "0.2s"
    assert "with_request_body" not in found
    names = [each["name"] for each in envoy.manager_of(document)["http_filters"]]
    assert names == ["envoy.filters.http.ext_authz", "envoy.filters.http.router"], "nothing stands before the question"
