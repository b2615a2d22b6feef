"""A genuine credential asks for a brand of another organisation: a brand selects, it never opens."""

from __future__ import annotations

import grpc
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, allowed, by_key, proof, stable


async def test_by_key_and_by_user_token(target: Stack, backend: Backend) -> None:
    for credential in (by_key(target.api_key), auth.Credential(jwt=target.user_jwt(target.admin))):
        answer = await backend.admit(credential, brand=target.other.brand)
        assert not allowed(answer)
        assert answer.decided_by in {"auth", "tenancy"}
        assert not (answer.admission or answer.messages or answer.limits)


async def test_foreign_and_unknown_are_one_answer(target: Stack, backend: Backend) -> None:
    foreign = await backend.admit(by_key(target.api_key), brand=target.other.brand, conversation="c")
    unknown = await backend.admit(by_key(target.api_key), brand="no-such-brand", conversation="c")
    assert stable(foreign) == stable(unknown)


async def test_no_token_for_it_is_minted(target: Stack, backend: Backend) -> None:
    answer = await backend.authenticate(by_key(target.api_key), target.other.brand)
    assert not allowed(answer)
    assert not answer.txn_token


async def test_asked_of_tenancy_directly(target: Stack, backend: Backend) -> None:
    question = tenancy.AuthorizeRequest(
        action="chat.send", resource=tenancy.Resource(type="Brand", id=target.other.brand)
    )
    stub = TenancyServiceStub(backend.channel("tenancy"))
    answer = await stub.Authorize(question, timeout=DEADLINE, metadata=await backend.administer())
    assert (answer.outcome, answer.reason) == (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED)


async def test_membership_in_the_other_organisation_cannot_be_taken(target: Stack, backend: Backend) -> None:
    member = tenancy.Member(user="intruder", roles=["admin"], brands=[target.other.brand])
    stub = TenancyServiceStub(backend.channel("tenancy"))
    try:
        await stub.PutMember(
            tenancy.PutMemberRequest(member=member), timeout=DEADLINE, metadata=await backend.administer()
        )
        raise AssertionError("a foreign brand was taken for one's own")
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    theirs = await stub.ListMembers(
        tenancy.ListMembersRequest(), timeout=DEADLINE, metadata=await backend.administer(target.other)
    )
    assert "intruder" not in {member.user for member in theirs.members}
    token = proof((await backend.authenticate(by_key(target.api_key))).txn_token)
    mine = await stub.ListBrands(tenancy.ListBrandsRequest(page_size=200), timeout=DEADLINE, metadata=token)
    assert target.other.brand not in {brand.brand for brand in mine.brands}
