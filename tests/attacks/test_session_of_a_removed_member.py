"""A user who was removed from the organisation goes on with a session opened before."""

from __future__ import annotations

from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, allowed, fresh, said
from tests.support.sessions import credential, opened, rotated
from tests.support.waiting import eventually


async def test_it_ends_with_the_membership(target: Stack, backend: Backend) -> None:
    name = fresh("user")
    made = await opened(backend, await backend.member(name))
    assert allowed(await backend.admit(credential(made.session)))
    await TenancyServiceStub(backend.channel("tenancy")).RemoveMember(
        tenancy.RemoveMemberRequest(user=name), timeout=DEADLINE, metadata=await backend.administer()
    )

    assert said(await backend.admit(credential(made.session))) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"

    async def refused_by_auth() -> bool:
        answer = await backend.admit(credential(made.session))
        assert not allowed(answer)
        return answer.decided_by == "auth"

    assert await eventually(refused_by_auth)
    answer = await rotated(backend, made.session)
    assert not (allowed(answer) or answer.session)
