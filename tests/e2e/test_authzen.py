"""AuthZEN 1.0: the scenarios of its certification, each sent with the credential of the subject that it asks about.

Subjects, records and decisions are the fixture of the certification. Its `properties` are no facts here: the same
decisions come from what is on record. record-2, "archived", is bob's alone; alice may do all there is to record-1.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, by_key, fresh
from tests.support.edge import Edge, edge_of

SCOPES = ["knowledge.write", "resources.write"]
WORDS = {
    "authzen_types": {"record": "Document"},
    "authzen_actions": {"read": "document.read", "write": "knowledge.write", "delete?soft=true": "resources.write"},
}
ONE, MANY = "/access/v1/evaluation", "/access/v1/evaluations"
ALICE: dict[str, Any] = {"type": "user", "id": "alice"}
BOB: dict[str, Any] = {"type": "user", "id": "bob"}
ADMIN_BOB = {**BOB, "properties": {"role": "admin"}}
FIRST: dict[str, Any] = {"type": "record", "id": "record-1"}
SECOND: dict[str, Any] = {"type": "record", "id": "record-2"}
ACTIVE = {**FIRST, "properties": {"status": "active"}}
ARCHIVED = {**SECOND, "properties": {"status": "archived"}}
READ, WRITE = {"name": "read"}, {"name": "write"}


def asks(subject: Any, action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"subject": subject, "action": action, "resource": resource, **more}


class Pdp:
    """The decision point with the fixture's two subjects."""

    def __init__(self, edge: Edge, keys: dict[str, str]) -> None:
        self.edge = edge
        self.keys = keys

    async def post(self, path: str, body: Any, *, by: str = "alice", **more: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"content-type": "application/json", "authorization": f"Bearer {self.keys[by]}"} | more
        return await self.edge.client.post(path, content=content, headers=fields)

    async def decides(self, path: str, body: Any, *, by: str = "alice") -> list[bool]:
        answer = await self.post(path, body, by=by)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        found = answer.json()
        return [one["decision"] for one in found.get("evaluations", [found])]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pdp(stack: Stack) -> AsyncIterator[Pdp]:
    org, brand = fresh("cert"), "main"
    backend = Backend(stack)
    operator = TenancyServiceStub(stack.channel("tenancy", "operator"))
    await operator.CreateOrganisation(
        tenancy.CreateOrganisationRequest(
            organisation=org, display_name="x", plan="enterprise", first_brand=brand, first_admin="owner"
        ),
        timeout=DEADLINE,
    )
    first = await AuthServiceStub(stack.channel("auth", "operator")).BootstrapApiKey(
        auth.BootstrapApiKeyRequest(organisation=org, subject="owner", brand=brand), timeout=DEADLINE
    )
    proof = await backend.proof(by_key(first.api_key), brand)
    directory, issuing = (
        TenancyServiceStub(backend.channel("tenancy")),
        AuthServiceStub(backend.channel("auth")),
    )
    keys = {}
    for user, brands in (("alice", []), ("bob", [brand])):
        member = tenancy.Member(user=user, roles=["admin"], brands=brands)
        await directory.PutMember(tenancy.PutMemberRequest(member=member), timeout=DEADLINE, metadata=proof)
        request = auth.CreateApiKeyRequest(subject=user, brand=brand, scopes=SCOPES)
        keys[user] = (await issuing.CreateApiKey(request, timeout=DEADLINE, metadata=proof)).api_key
    facts = [
        tenancy.ResourceFacts(resource=tenancy.Resource(type="Document", id="record-1")),
        tenancy.ResourceFacts(
            resource=tenancy.Resource(type="Document", id="record-2"), brand=brand, owner="bob", labels=["private"]
        ),
    ]
    owners = await backend.proof(by_key(first.api_key), brand)
    await directory.PutResources(tenancy.PutResourcesRequest(facts=facts), timeout=DEADLINE, metadata=owners)
    async with edge_of(stack, **WORDS) as edge:
        yield Pdp(edge, keys)


DECISIONS = {
    "2.2.1": ("alice", asks(ALICE, READ, FIRST), True),
    "2.2.2": ("bob", asks(BOB, WRITE, FIRST), False),
    "2.2.3": ("alice", asks(ALICE, READ, FIRST, context={"time": "2025-06-27T18:03-07:00", "ip": "192.0.2.1"}), True),
    "2.2.4": ("alice", asks(ALICE, WRITE, ARCHIVED), False),
    "2.2.5": ("bob", asks(ADMIN_BOB, WRITE, ARCHIVED), True),
    "2.2.6": ("alice", asks(ALICE, {"name": "delete", "properties": {"soft": True}}, FIRST), True),
    "2.2.7": ("alice", asks(ALICE, {"name": "delete", "properties": {"soft": False}}, FIRST), False),
    "2.2.8": (
        "alice",
        asks(
            {**ALICE, "properties": {"department": "Sales", "role": "manager"}},
            {"name": "read", "properties": {"method": "GET"}},
            {**FIRST, "properties": {"status": "active", "owner": "bob"}},
        ),
        True,
    ),
    "2.2.9": ("alice", asks(ALICE, READ, FIRST, foo="bar", futureField={"nested": True}), True),
    "rule-2": ("alice", asks(ALICE, WRITE, FIRST), True),
    "rule-3": ("bob", asks(BOB, READ, FIRST), True),
}
WRONG: dict[str, Any] = {
    "2.4.1-subject": {"action": READ, "resource": FIRST},
    "2.4.1-action": {"subject": ALICE, "resource": FIRST},
    "2.4.1-resource": {"subject": ALICE, "action": READ},
    "2.4.2-subject-type": asks({"id": "alice"}, READ, FIRST),
    "2.4.2-subject-id": asks({"type": "user"}, READ, FIRST),
    "2.4.2-action-name": asks(ALICE, {}, FIRST),
    "2.4.2-resource-type": asks(ALICE, READ, {"id": "record-1"}),
    "2.4.2-resource-id": asks(ALICE, READ, {"type": "record"}),
    "2.4.4-no-json": b"{",
    "2.4.5-empty": b"",
    "2.4.6-subject": asks("alice", READ, FIRST),
    "2.4.6-name": asks(ALICE, {"name": 123}, FIRST),
}
BATCHES: dict[str, tuple[str, dict[str, Any], list[bool]]] = {
    "3.2.2": (
        "bob",
        {"subject": BOB, "resource": FIRST, "evaluations": [{"action": READ}, {"action": WRITE}]},
        [True, False],
    ),
    "3.2.3": (
        "alice",
        {"subject": ALICE, "action": WRITE, "evaluations": [{"resource": ACTIVE}, {"resource": ARCHIVED}]},
        [True, False],
    ),
    "3.2.4": (
        "bob",
        {"action": WRITE, "resource": ARCHIVED, "evaluations": [{"subject": ALICE}, {"subject": ADMIN_BOB}]},
        [False, True],
    ),
    "3.2.5": ("alice", {"evaluations": [asks(ALICE, READ, FIRST), asks(BOB, WRITE, FIRST)]}, [True, False]),
    "3.2.7": (
        "alice",
        {
            "subject": ALICE,
            "action": WRITE,
            "resource": {"type": "record"},
            "evaluations": [
                {"resource": {"id": "record-1", "properties": {"status": "active"}}},
                {"resource": ARCHIVED},
            ],
        },
        [True, False],
    ),
    "3.4.1": (
        "alice",
        {"subject": ALICE, "action": READ, "evaluations": [{"resource": FIRST}, {}]},
        [True, False],
    ),
    "3.4.2": ("alice", asks(ALICE, READ, FIRST), [True]),
    "3.4.3": ("alice", asks(ALICE, READ, FIRST, evaluations=[]), [True]),
}


@pytest.mark.parametrize("scenario", DECISIONS)
async def test_one_evaluation(pdp: Pdp, scenario: str) -> None:
    by, body, expected = DECISIONS[scenario]
    assert await pdp.decides(ONE, body, by=by) == [expected]


@pytest.mark.parametrize("scenario", WRONG)
async def test_a_wrong_evaluation_is_400(pdp: Pdp, scenario: str) -> None:
    answer = await pdp.post(ONE, WRONG[scenario])
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_2_4_3_another_content_type_is_400(pdp: Pdp, kind: str) -> None:
    answer = await pdp.post(ONE, asks(ALICE, READ, FIRST), **{"content-type": kind})
    assert answer.status_code == 400


async def test_2_5_the_request_id_comes_back(pdp: Pdp) -> None:
    answer = await pdp.post(ONE, asks(ALICE, READ, FIRST), **{"x-request-id": "bfe9eb29-ab87"})
    assert answer.headers["x-request-id"] == "bfe9eb29-ab87"
    assert (await pdp.post(ONE, b"{", **{"x-request-id": "bad-1"})).headers["x-request-id"] == "bad-1"
    assert (await pdp.post(ONE, asks(ALICE, READ, FIRST))).status_code == 200


async def test_2_6_the_same_question_has_the_same_answer(pdp: Pdp) -> None:
    assert [await pdp.decides(ONE, asks(ALICE, READ, FIRST)) for _ in range(3)] == [[True]] * 3


@pytest.mark.parametrize("scenario", BATCHES)
async def test_a_batch(pdp: Pdp, scenario: str) -> None:
    by, body, expected = BATCHES[scenario]
    assert await pdp.decides(MANY, body, by=by) == expected


async def test_3_2_1_and_3_2_6_length_and_order_are_those_of_the_request(pdp: Pdp) -> None:
    body = {"subject": ALICE, "action": READ, "evaluations": [{"resource": FIRST}, {"resource": SECOND}]}
    assert await pdp.decides(MANY, body) == [True, False]
    later = {"resource": SECOND, "context": {"time": "2025-06-27T19:00-07:00", "source": "batch-override"}}
    assert await pdp.decides(MANY, {**body, "context": {"time": "x"}, "evaluations": [later, {"resource": FIRST}]}) == [
        False,
        True,
    ]
    answer = (await pdp.post(MANY, body)).json()
    assert "decision" not in answer


async def test_6_the_configuration_names_what_is_there_and_no_search(pdp: Pdp) -> None:
    base = f"https://{pdp.edge.address}"
    answer = await pdp.edge.client.get("/.well-known/authzen-configuration", headers={"host": "evil.example"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": base + ONE,
        "access_evaluations_endpoint": base + MANY,
    }
    assert (await pdp.post("/access/v1/search/subject", asks(ALICE, READ, FIRST))).status_code == 404


@pytest.mark.parametrize("field", [{"authorization": "Bearer hbk_x_unknown"}, {"authorization": ""}])
async def test_who_is_not_known_gets_401_and_no_decision(pdp: Pdp, field: dict[str, str]) -> None:
    answer = await pdp.post(ONE, asks(ALICE, READ, FIRST), **field)
    assert answer.status_code == 401
    assert "decision" not in answer.json()


@pytest.mark.parametrize(
    "subject", [BOB, {"type": "user", "id": "owner"}, {"type": "group", "id": "alice"}, {"type": "user", "id": "Alice"}]
)
async def test_another_subject_is_refused_and_told_so(pdp: Pdp, subject: dict[str, Any]) -> None:
    answer = (await pdp.post(ONE, asks(subject, READ, FIRST))).json()
    assert answer == {"decision": False, "context": {"reason": "subject_is_not_the_caller"}}


async def test_what_a_request_claims_changes_nothing(pdp: Pdp) -> None:
    claims = {"role": "owner", "organisation": "acme", "owner": "alice", "labels": [], "status": "active"}
    body = asks({**ALICE, "properties": claims}, WRITE, {**SECOND, "properties": claims}, context=claims)
    assert await pdp.decides(ONE, body) == [False]


async def test_the_semantics_end_where_they_say(pdp: Pdp) -> None:
    items = [{"resource": FIRST}, {"resource": SECOND}, {"resource": FIRST}]
    for semantic, expected in (
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ):
        options = {"evaluations_semantic": semantic}
        body = {"subject": ALICE, "action": READ, "evaluations": items, "options": options}
        assert await pdp.decides(MANY, body) == expected
