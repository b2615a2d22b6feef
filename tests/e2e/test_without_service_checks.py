"""A stack in which every service believes any token and gives every permission: the data layer still proves the tenant
itself, so that a forged organisation finds an empty house and can write nothing into the other one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import grpc
import jwt
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from grpc import aio
from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.altered import altered_stack
from tests.support.backend import DEADLINE, Backend, Metadata, allowed, by_key, proof, status_of
from tests.support.boundaries import without_service_checks

SCOPES = "chat members.manage brands.manage keys.manage tools.manage audit.read subjects.revoke"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_stack() -> AsyncIterator[Stack]:
    async with altered_stack(*without_service_checks()) as stack:
        yield stack


async def forged(backend: Backend, *, own_proof: bool) -> Metadata:
    """A token that says: administrator of globex. With a proof of nothing, or with that of the attacker's own acme."""
    genuine = (await backend.authenticate(by_key(backend.stack.api_key))).txn_token
    claims = jwt.decode(genuine, options={"verify_signature": False})
    own = claims["org_mac"]
    claims |= {"tenant": "globex", "sub": "gus", "brand": "globex-chat", "scope": SCOPES, "exp": int(time.time()) + 60}
    claims["org_mac"] = own if own_proof else own.replace("acme.", "globex.", 1)
    token = jwt.encode(
        claims, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"typ": "txntoken+jwt", "kid": "x"}
    )
    return proof(token)


async def test_with_everything_it_is_refused_at_once(stack: Stack) -> None:
    backend = Backend(stack)
    for own_proof in (True, False):
        call = TenancyServiceStub(backend.channel("tenancy")).ListMembers(
            tenancy.ListMembersRequest(), timeout=DEADLINE, metadata=await forged(backend, own_proof=own_proof)
        )
        assert await status_of(call) is grpc.StatusCode.UNAUTHENTICATED


async def test_the_boundary_is_really_gone(open_stack: Stack) -> None:
    backend = Backend(open_stack)
    stub = TenancyServiceStub(backend.channel("tenancy"))
    question = tenancy.AuthorizeRequest(action="anything", resource=tenancy.Resource(type="Any", id="thing"))
    assert allowed(await stub.Authorize(question, timeout=DEADLINE, metadata=await forged(backend, own_proof=False)))


async def test_a_forged_organisation_reads_nothing(open_stack: Stack) -> None:
    backend = Backend(open_stack)
    for own_proof in (True, False):
        as_gus = await forged(backend, own_proof=own_proof)
        for call, rows in (
            (TenancyServiceStub(backend.channel("tenancy")).ListMembers(
                tenancy.ListMembersRequest(), timeout=DEADLINE, metadata=as_gus), "members"),
            (TenancyServiceStub(backend.channel("tenancy")).ListBrands(
                tenancy.ListBrandsRequest(), timeout=DEADLINE, metadata=as_gus), "brands"),
            (AuthServiceStub(backend.channel("auth")).ListApiKeys(
                auth.ListApiKeysRequest(), timeout=DEADLINE, metadata=as_gus), "keys"),
            (GuardrailServiceStub(backend.channel("guardrail")).ListTools(
                guardrail.ListToolsRequest(), timeout=DEADLINE, metadata=as_gus), "tools"),
            (AuditServiceStub(backend.channel("audit")).Query(
                audit.QueryRequest(), timeout=DEADLINE, metadata=as_gus), "events"),
        ):  # fmt: skip
            try:
                answer = await call
            except aio.AioRpcError as error:
                assert error.code() is not grpc.StatusCode.OK
                continue
            for row in getattr(answer, rows):
                assert "globex" not in str(row), f"{rows}, own proof: {own_proof}"
                assert "gus" not in str(row)


async def test_nor_writes_anything(open_stack: Stack) -> None:
    backend = Backend(open_stack)
    genuine = await backend.administer(open_stack.other)
    stub = TenancyServiceStub(backend.channel("tenancy"))
    before = await stub.ListMembers(tenancy.ListMembersRequest(), timeout=DEADLINE, metadata=genuine)
    intruder = tenancy.Member(user="intruder", roles=["admin"])
    for own_proof in (True, False):
        as_gus = await forged(backend, own_proof=own_proof)
        for call in (
            stub.PutMember(tenancy.PutMemberRequest(member=intruder), timeout=DEADLINE, metadata=as_gus),
            stub.RemoveMember(tenancy.RemoveMemberRequest(user="gus"), timeout=DEADLINE, metadata=as_gus),
            stub.PutBrand(
                tenancy.PutBrandRequest(brand=tenancy.Brand(brand="stolen")), timeout=DEADLINE, metadata=as_gus
            ),
            AuthServiceStub(backend.channel("auth")).CreateApiKey(
                auth.CreateApiKeyRequest(subject="gus", brand="globex-chat", scopes=["chat"]),
                timeout=DEADLINE,
                metadata=as_gus,
            ),
        ):
            await status_of(call)
    after = await stub.ListMembers(tenancy.ListMembersRequest(), timeout=DEADLINE, metadata=genuine)
    brands = await stub.ListBrands(tenancy.ListBrandsRequest(), timeout=DEADLINE, metadata=genuine)
    keys = await AuthServiceStub(backend.channel("auth")).ListApiKeys(
        auth.ListApiKeysRequest(), timeout=DEADLINE, metadata=genuine
    )
    assert [member.user for member in after.members] == [member.user for member in before.members]
    assert {brand.brand for brand in brands.brands} == {"globex-chat"}
    assert len(keys.keys) == 1


async def test_a_foreign_brand_is_not_taken_on_by_a_credential(open_stack: Stack) -> None:
    """Permission is given to everybody here; membership is still read from the proven organisation."""
    backend = Backend(open_stack)
    answer = await backend.admit(by_key(open_stack.api_key), brand=open_stack.other.brand)
    assert not allowed(answer)
    assert not answer.admission
