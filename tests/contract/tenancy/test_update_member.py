"""Members by field mask and etag; suspension and its end."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller
from services.kit.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from tests.contract.tenancy.house import House


async def update(house: House, by: Caller, user: str, *paths: str, **fields: Any) -> pb.Member:
    request = pb.UpdateMemberRequest(user=user, update_mask=FieldMask(paths=paths), **fields)
    made: pb.Member = (await house.call("UpdateMember", by, request)).member
    return made


async def get(house: House, by: Caller, user: str) -> pb.Member:
    found: pb.Member = (await house.call("GetMember", by, pb.GetMemberRequest(user=user))).member
    return found


async def test_only_named_fields_change_and_the_etag_with_them(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org)
    await house.member(org, "bob", "member", brands=("shop",))
    before = await get(house, ann, "bob")
    made = await update(house, ann, "bob", "display_name", display_name="Bob", roles=["admin"], etag=before.etag)
    assert (made.display_name, list(made.roles), list(made.brands)) == ("Bob", ["member"], ["shop"])
    assert made.created_at == before.created_at
    assert made.updated_at.ToNanoseconds() > before.updated_at.ToNanoseconds()
    assert made.etag != before.etag
    assert made == await get(house, ann, "bob")
    assert list((await update(house, ann, "bob", roles=["viewer"])).roles) == ["viewer"]
    assert not (await update(house, ann, "bob", "brands")).brands
    kept = (
        await house.call("PutMember", ann, pb.PutMemberRequest(member=pb.Member(user="bob", roles=["admin"])))
    ).member
    assert kept.display_name == "Bob"


@pytest.mark.parametrize("path", ["user", "etag", "created_at", "organisation", "roles.x"])
async def test_other_paths_are_refused(house: House, path: str) -> None:
    org = await house.organisation()
    with pytest.raises(InvalidArgument, match="update_mask"):
        await update(house, house.caller(org), "ann", path)


async def test_wrong_values_and_unknown_members(house: House) -> None:
    org = await house.organisation()
    ann = house.caller(org)
    await house.member(org, "bob", "member")
    for fields in ({"roles": ["root"]}, {"brands": ["nowhere"]}):
        with pytest.raises(InvalidArgument):
            await update(house, ann, "bob", *fields, **fields)
    with pytest.raises(InvalidArgument, match="roles"):
        await update(house, ann, "bob", "roles")
    for call in (get(house, ann, "nobody"), update(house, ann, "nobody", "suspended", suspended=True)):
        with pytest.raises(NotFound):
            await call


async def test_a_suspended_member_is_a_stranger_until_it_ends(house: House) -> None:
    org = await house.organisation("shop")
    ann, bob = house.caller(org), await house.member(org, "bob", "admin")
    stranger = house.caller(org, "eve")
    assert (await house.ask(bob, "chat.send", "Brand", "shop")).outcome == common.OUTCOME_ALLOW
    assert (await update(house, ann, "bob", "suspended", suspended=True)).suspended
    for method, request in (
        ("ResolvePrincipal", pb.ResolvePrincipalRequest()),
        ("Authorize", pb.AuthorizeRequest(action="chat.send", resource=pb.Resource(type="Brand", id="shop"))),
        ("PlanRetrieval", pb.PlanRetrievalRequest(action="document.read", resource_type="Document")),
    ):
        refused, unknown = await house.call(method, bob, request), await house.call(method, stranger, request)
        assert refused == unknown
    managing: tuple[tuple[str, Any], ...] = (
        ("ListMembers", pb.ListMembersRequest()),
        ("GetSettings", pb.GetSettingsRequest()),
        ("CreateInvitation", pb.CreateInvitationRequest()),
        ("UpdateMember", pb.UpdateMemberRequest(user="bob", update_mask=FieldMask(paths=["suspended"]))),
    )
    for method, asked in managing:
        with pytest.raises(PermissionDenied):
            await house.call(method, bob, asked)
    # Neither putting it again nor an older etag ends it.
    put = pb.PutMemberRequest(member=pb.Member(user="bob", roles=["admin"]))
    assert (await house.call("PutMember", ann, put)).member.suspended
    assert not (await update(house, ann, "bob", "suspended")).suspended
    assert (await house.ask(bob, "chat.send", "Brand", "shop")).outcome == common.OUTCOME_ALLOW
    assert list((await get(house, ann, "bob")).roles) == ["admin"]


async def test_suspending_counts_as_removing(house: House) -> None:
    org = await house.organisation()
    ann, amy = house.caller(org), await house.member(org, "amy", "admin")
    with pytest.raises(FailedPrecondition) as caught:
        await update(house, ann, "ann", "suspended", suspended=True)
    assert caught.value.reason == "LAST_OWNER"
    with pytest.raises(PermissionDenied):
        await update(house, amy, "ann", "suspended", suspended=True)
    await house.member(org, "oli", "owner")
    assert (await update(house, ann, "oli", "suspended", suspended=True)).suspended
    with pytest.raises(FailedPrecondition):  # a suspended owner does not keep the organisation
        await house.call("RemoveMember", ann, pb.RemoveMemberRequest(user="ann"))
    with pytest.raises(PermissionDenied):
        await update(house, amy, "oli", "suspended")


async def test_stale_etags_change_nothing(house: House) -> None:
    org = await house.organisation()
    ann = house.caller(org)
    await house.member(org, "bob", "member")
    old = (await get(house, ann, "bob")).etag
    now = await update(house, ann, "bob", "roles", roles=["viewer"])
    put = pb.Member(user="bob", roles=["admin"], etag=old)
    for method, request in (
        ("UpdateMember", pb.UpdateMemberRequest(user="bob", roles=["admin"], etag=old)),
        ("PutMember", pb.PutMemberRequest(member=put)),
        ("RemoveMember", pb.RemoveMemberRequest(user="bob", etag=old)),
    ):
        with pytest.raises(Aborted):
            await house.call(method, ann, request)
    assert await get(house, ann, "bob") == now
    assert (await house.call("RemoveMember", ann, pb.RemoveMemberRequest(user="bob", etag=now.etag))).existed
    await house.member(org, "bob", "viewer")
    with pytest.raises(Aborted):  # made again: another one
        await house.call("RemoveMember", ann, pb.RemoveMemberRequest(user="bob", etag=now.etag))
