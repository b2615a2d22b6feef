"""Through every layer of a real server but the socket: tokens, matrix, scopes, batch, and what is not served yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from google.rpc import error_details_pb2, status_pb2
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from services.kit.caller import Caller
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.server import interceptor_of
from services.kit.txn_token import ALGORITHM, METADATA_KEY, TYP, TokenVerifier, claims_of
from services.tenancy.settings import TenancySettings
from tests.contract.tenancy.house import SCOPES, House, settings_of

KEY = ec.generate_private_key(ec.SECP256R1())


class Keys:
    """One public key."""

    generation = 1

    def find(self, kid: str) -> Any | None:
        return KEY.public_key() if kid == "k1" else None


def bearer(caller: Caller) -> list[tuple[str, str]]:
    claims = claims_of(caller, issuer="iss", audience="aud", jti="j", issued_at=caller.expires_at - 60)
    claims["iat"] = 1_700_000_000
    return [(METADATA_KEY, jwt.encode(claims, KEY, ALGORITHM, headers={"typ": TYP, "kid": "k1"}))]


@pytest.fixture
def dial(house: House) -> Callable[[str], Any]:
    settings = TenancySettings(**settings_of(house.stores))
    verifier = TokenVerifier(Keys(), issuer="iss", audience="aud", clock=SystemClock())
    server = InProcessServer(interceptor_of(house.app, settings, verifier))
    for mount in house.app.mounts:
        mount.add_to_server(mount.servicer, server)

    def stub(kind: str) -> Any:
        channel: Any = InProcessChannel(server, f"spiffe://hauberk.local/{kind}")
        return TenancyServiceStub(channel)

    return stub


def question(action: str, kind: str, name: str) -> pb.AuthorizeRequest:
    return pb.AuthorizeRequest(action=action, resource=pb.Resource(type=kind, id=name))


async def refused(answer: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answer
    status = status_pb2.Status()
    for key, value in caught.value.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(cast(bytes, value))
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        detail.Unpack(info)  # does nothing when it is another kind
    return caught.value.code(), info.reason


async def test_a_batch_answers_in_order_and_explains_to_whom_it_may(house: House, dial: Callable[[str], Any]) -> None:
    org = await house.organisation("shop")
    asked = [
        question("chat.send", "Brand", "shop"),
        question("chat.send", "Brand", "nowhere"),
        question("members.manage", "Organisation", org),
        question("chat.send", "Document", "d1"),
        question("keys.manage", "Brand", "shop"),
    ]
    request = pb.AuthorizeBatchRequest(questions=asked)
    for scopes, names in ((SCOPES, [[]] * 5), (SCOPES | {"decisions.explain"}, [["role.owner"], [], ["role.owner"], [],
                                                                               ["role.owner"]])):  # fmt: skip
        metadata = bearer(house.caller(org, scopes=frozenset(scopes)))
        answer = await dial("gateway").AuthorizeBatch(request, metadata=metadata)
        assert [a.outcome == common.OUTCOME_ALLOW for a in answer.answers] == [True, False, True, False, True]
        assert [list(a.policies) for a in answer.answers] == names
        assert len({a.policy_version for a in answer.answers}) == 1
    limited = bearer(house.caller(org, scopes=frozenset({"decisions.explain"})))
    denied = await dial("gateway").Authorize(asked[4], metadata=limited)
    assert (denied.outcome, list(denied.policies)) == (common.OUTCOME_DENY, ["scope.keys-manage"])


async def test_without_proof_nothing_is_answered(house: House, dial: Callable[[str], Any]) -> None:
    org = await house.organisation()
    ask = question("chat.send", "Brand", "shop")
    good = bearer(house.caller(org))
    assert (await dial("gateway").Authorize(ask, metadata=good)).outcome == common.OUTCOME_ALLOW
    assert (await refused(dial("gateway").Authorize(ask)))[0] is grpc.StatusCode.UNAUTHENTICATED
    forged = [(METADATA_KEY, good[0][1][:-8] + "AAAAAAAA")]
    assert (await refused(dial("gateway").Authorize(ask, metadata=forged)))[0] is grpc.StatusCode.UNAUTHENTICATED
    for kind, method, request in (
        ("ratelimit", "Authorize", ask),
        ("gateway", "ResolvePrincipal", pb.ResolvePrincipalRequest()),
        ("gateway", "GetOrganisation", pb.GetOrganisationRequest(organisation=org)),
        ("operator", "ListMembers", pb.ListMembersRequest()),
    ):
        code, _ = await refused(getattr(dial(kind), method)(request, metadata=good))
        assert code is grpc.StatusCode.PERMISSION_DENIED
    found = await dial("operator").GetOrganisation(pb.GetOrganisationRequest(organisation=org))
    assert found.organisation.organisation == org


async def test_the_scope_of_the_contract(house: House, dial: Callable[[str], Any]) -> None:
    org = await house.organisation()
    bare = bearer(house.caller(org, scopes=frozenset()))
    request = pb.PutMemberRequest(member=pb.Member(user="bob", roles=["viewer"]))
    assert await refused(dial("gateway").PutMember(request, metadata=bare)) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "SCOPE_MISSING",
    )


LABELS = ["a"] * 2
COLUMN = pb.FieldColumn(field=pb.RESOURCE_FIELD_ID, column="id) OR (TRUE")
FACTS = pb.ResourceFacts(resource=pb.Resource(type="Document", id="d1"))


@pytest.mark.parametrize(
    ("method", "request_", "expected"),
    [
        ("SearchKnowledge", pb.SearchKnowledgeRequest(embedding=[float("nan")], limit=1), "INVALID_ARGUMENT"),
        ("SearchKnowledge", pb.SearchKnowledgeRequest(text="x", limit=201), "INVALID_ARGUMENT"),
        ("SearchKnowledge", pb.SearchKnowledgeRequest(limit=1), "INVALID_ARGUMENT"),
        ("AssembleContext", pb.AssembleContextRequest(text="x", token_budget=0), "INVALID_ARGUMENT"),
        ("PlanRetrieval", pb.PlanRetrievalRequest(resource_type="D", action="a", columns=[COLUMN]), "INVALID_ARGUMENT"),
        ("PutDocument", pb.PutDocumentRequest(document="d1", text="x", labels=LABELS), "INVALID_ARGUMENT"),
        ("PutDocument", pb.PutDocumentRequest(document="../d1", text="x"), "INVALID_ARGUMENT"),
        ("PutResources", pb.PutResourcesRequest(facts=[FACTS]), "PERMISSION_DENIED"),
        ("DeleteResources", pb.DeleteResourcesRequest(resources=[FACTS.resource]), "PERMISSION_DENIED"),
        ("GetResource", pb.GetResourceRequest(resource=FACTS.resource), "NOT_FOUND"),
    ],
)
async def test_what_retrieval_refuses_over_the_wire(
    house: House, dial: Callable[[str], Any], method: str, request_: Any, expected: str
) -> None:
    org = await house.organisation()
    code, _ = await refused(getattr(dial("gateway"), method)(request_, metadata=bearer(house.caller(org))))
    assert code is grpc.StatusCode[expected]
