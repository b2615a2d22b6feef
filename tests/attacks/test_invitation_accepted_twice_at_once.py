"""Many users present one secret in the same moment."""

from __future__ import annotations

import asyncio

from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from tests.support.backend import DEADLINE, Backend, fresh


async def test_one_of_them_gets_in(backend: Backend, thief: Backend) -> None:
    stub = TenancyServiceStub(backend.channel("tenancy"))
    own = await backend.administer()
    for _ in range(3):
        made = await stub.CreateInvitation(
            tenancy.CreateInvitationRequest(roles=["viewer"]), timeout=DEADLINE, metadata=own
        )
        users = [fresh("user") for _ in range(10)]
        answers = await asyncio.gather(
            *(
                TenancyServiceStub(who.channel("tenancy")).AcceptInvitation(
                    tenancy.AcceptInvitationRequest(secret=made.secret, user=user), timeout=DEADLINE
                )
                for user, who in zip(users, [backend, thief] * 5, strict=True)
            )
        )
        assert [answer.outcome for answer in answers].count(common.OUTCOME_ALLOW) == 1
        page = await stub.ListMembers(tenancy.ListMembersRequest(page_size=200), timeout=DEADLINE, metadata=own)
        assert len({member.user for member in page.members} & set(users)) == 1
