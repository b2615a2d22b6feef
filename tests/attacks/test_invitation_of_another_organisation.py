"""An administrator knows the id of another organisation's invitation, and whoever joined there tries here."""

from __future__ import annotations

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, allowed, fresh


async def test_it_is_neither_seen_nor_taken_back_and_opens_its_own_house_only(target: Stack, backend: Backend) -> None:
    stub = TenancyServiceStub(backend.channel("tenancy"))
    theirs, mine = await backend.administer(target.other), await backend.administer()
    made = await stub.CreateInvitation(tenancy.CreateInvitationRequest(), timeout=DEADLINE, metadata=theirs)
    name = made.invitation.invitation

    seen = await stub.ListInvitations(tenancy.ListInvitationsRequest(page_size=200), timeout=DEADLINE, metadata=mine)
    assert name not in {one.invitation for one in seen.invitations}
    for asked in (name, "inv_" + "0" * 22):
        request = tenancy.DeleteInvitationRequest(invitation=asked, etag=made.invitation.etag)
        answer = await stub.DeleteInvitation(request, timeout=DEADLINE, metadata=mine)
        assert answer == tenancy.DeleteInvitationResponse(existed=False)

    user = fresh("user")
    joined = await stub.AcceptInvitation(
        tenancy.AcceptInvitationRequest(secret=made.secret, user=user), timeout=DEADLINE
    )
    assert (joined.outcome, joined.organisation) == (common.OUTCOME_ALLOW, target.other.organisation)
    here = auth.Credential(jwt=target.user_jwt(user, target.organisation))
    there = auth.Credential(jwt=target.user_jwt(user, target.other.organisation))
    assert not allowed(await backend.admit(here))
    assert allowed(await backend.admit(there))
