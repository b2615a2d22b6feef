"""An administrator who is no owner tries to become one, or to make one, by way of an invitation."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, Metadata, by_key, fresh


async def admin_of(target: Stack, backend: Backend) -> tuple[str, Metadata]:
    """A member with the role admin, and a key of theirs with the scopes to manage."""
    name = fresh("user")
    await backend.member(name, roles=["admin"])
    request = auth.CreateApiKeyRequest(subject=name, brand=target.brand, scopes=["members.manage", "brands.manage"])
    keys = AuthServiceStub(backend.channel("auth"))
    made = await keys.CreateApiKey(request, timeout=DEADLINE, metadata=await backend.administer())
    return name, await backend.proof(by_key(made.api_key), target.brand)


async def test_owner_is_not_theirs_to_give(target: Stack, backend: Backend) -> None:
    stub = TenancyServiceStub(backend.channel("tenancy"))
    name, own = await admin_of(target, backend)

    async def refused(roles: list[str]) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CreateInvitation(tenancy.CreateInvitationRequest(roles=roles), timeout=DEADLINE, metadata=own)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED

    for roles in (["owner"], ["viewer", "owner"], ["owner", "owner"]):
        await refused(roles)
    mask = FieldMask(paths=["invitation_roles"])
    default = tenancy.UpdateSettingsRequest(invitation_roles=["owner"], update_mask=mask)
    await stub.UpdateSettings(default, timeout=DEADLINE, metadata=own)
    try:
        await refused([])  # nor by a default that they set themselves
    finally:
        default = tenancy.UpdateSettingsRequest(invitation_roles=["member"], update_mask=mask)
        await stub.UpdateSettings(default, timeout=DEADLINE, metadata=own)
    # Nor does an invitation raise somebody who is there already.
    made = await stub.CreateInvitation(
        tenancy.CreateInvitationRequest(roles=["owner"]), timeout=DEADLINE, metadata=await backend.administer()
    )
    answer = await stub.AcceptInvitation(
        tenancy.AcceptInvitationRequest(secret=made.secret, user=name), timeout=DEADLINE
    )
    assert (answer.outcome, answer.already_member) == (common.OUTCOME_DENY, False)
    found = await stub.GetMember(tenancy.GetMemberRequest(user=name), timeout=DEADLINE, metadata=own)
    assert list(found.member.roles) == ["admin"]
