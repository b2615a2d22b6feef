"""Brands and members: permission, pages, owners, and that changes count at once."""

from __future__ import annotations

import asyncio

import pytest
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.errors import FailedPrecondition, InvalidArgument, KitError, PermissionDenied
from tests.contract.tenancy.house import House


def put(user: str, *roles: str, brands: tuple[str, ...] = ()) -> pb.PutMemberRequest:
    return pb.PutMemberRequest(member=pb.Member(user=user, roles=roles, brands=brands))


async def test_pages_of_members_and_brands(house: House) -> None:
    org = await house.organisation("brand-00", admin="user-00")
    owner = house.caller(org, "user-00")
    for number in range(1, 8):
        await house.call("PutMember", owner, put(f"user-{number:02}", "viewer"))
        await house.call("PutBrand", owner, pb.PutBrandRequest(brand=pb.Brand(brand=f"brand-{number:02}")))
    users: list[str] = []
    brands: list[str] = []
    sizes = []
    token = ""
    while True:
        page = await house.call("ListMembers", owner, pb.ListMembersRequest(page_size=3, page_token=token))
        users += [member.user for member in page.members]
        sizes.append(len(page.members))
        token = page.next_page_token
        if not token:
            break
    while True:
        listed = await house.call("ListBrands", owner, pb.ListBrandsRequest(page_size=4, page_token=token))
        brands += [brand.brand for brand in listed.brands]
        token = listed.next_page_token
        if not token:
            break
    assert users == [f"user-{number:02}" for number in range(8)]
    assert brands == [f"brand-{number:02}" for number in range(8)]
    assert sizes == [3, 3, 2]
    other = await house.organisation("brand-00", admin="user-00")
    first = await house.call("ListMembers", owner, pb.ListMembersRequest(page_size=3))
    stolen = pb.ListMembersRequest(page_token=first.next_page_token)
    assert not (await house.call("ListMembers", house.caller(other, "user-00"), stolen)).members
    for bad in ("x", first.next_page_token):
        with pytest.raises(InvalidArgument, match="page_token"):
            await house.call("ListBrands", owner, pb.ListBrandsRequest(page_token=bad))


async def test_a_member_is_kept_as_put(house: House) -> None:
    org = await house.organisation("shop")
    owner = house.caller(org)
    await house.call("PutBrand", owner, pb.PutBrandRequest(brand=pb.Brand(brand="club", zone="Asia/Tokyo")))
    made = (await house.call("PutMember", owner, put("bob", "member", "viewer", brands=("shop", "club")))).member
    assert (list(made.roles), list(made.brands)) == (["member", "viewer"], ["club", "shop"])
    again = (await house.call("PutMember", owner, put("bob", "viewer", brands=("club",)))).member
    assert (list(again.roles), list(again.brands), again.created_at) == (["viewer"], ["club"], made.created_at)
    resolved = await house.call("ResolvePrincipal", house.caller(org, "bob"), pb.ResolvePrincipalRequest())
    assert (resolved.brand, resolved.zone, list(resolved.roles)) == ("club", "Asia/Tokyo", ["viewer"])
    assert resolved.account_created_at == made.created_at
    listed = await house.call("ListBrands", house.caller(org, "bob"), pb.ListBrandsRequest())
    assert [brand.brand for brand in listed.brands] == ["club"]


async def test_resolve_one_answer_for_all_that_is_not_proven(house: House) -> None:
    org = await house.organisation("shop")
    await house.call("PutBrand", house.caller(org), pb.PutBrandRequest(brand=pb.Brand(brand="club")))
    bob = await house.member(org, "bob", "member", brands=("shop",))
    for caller, brand in ((bob, "club"), (bob, "nowhere"), (house.caller(org, "eve"), "shop"),
                          (house.caller(org, "eve"), ""), (house.caller("nobody"), "shop")):  # fmt: skip
        resolved = await house.call("ResolvePrincipal", caller, pb.ResolvePrincipalRequest(brand=brand))
        assert resolved == pb.ResolvePrincipalResponse(outcome=common.OUTCOME_DENY, reason=common.REASON_NOT_PERMITTED)
    assert (await house.call("ResolvePrincipal", bob, pb.ResolvePrincipalRequest(brand="shop"))).brand == "shop"


async def test_changes_count_at_once(house: House) -> None:
    org = await house.organisation("shop")
    bob = await house.member(org, "bob", "viewer")
    assert (await house.ask(bob, "chat.send", "Brand", "shop")).outcome == common.OUTCOME_DENY
    await house.call("PutMember", house.caller(org), put("bob", "member"))
    assert (await house.ask(bob, "chat.send", "Brand", "shop")).outcome == common.OUTCOME_ALLOW
    assert (await house.ask(bob, "chat.send", "Brand", "club")).outcome == common.OUTCOME_DENY
    await house.call("PutBrand", house.caller(org), pb.PutBrandRequest(brand=pb.Brand(brand="club")))
    assert (await house.ask(bob, "chat.send", "Brand", "club")).outcome == common.OUTCOME_ALLOW
    assert (await house.call("RemoveMember", house.caller(org), pb.RemoveMemberRequest(user="bob"))).existed
    assert (await house.ask(bob, "chat.send", "Brand", "shop")).outcome == common.OUTCOME_DENY
    assert not (await house.call("RemoveMember", house.caller(org), pb.RemoveMemberRequest(user="bob"))).existed


@pytest.mark.parametrize("role", ["viewer", "member"])
async def test_only_administrators_manage(house: House, role: str) -> None:
    org = await house.organisation("shop")
    bob = await house.member(org, "bob", role)
    limited = await house.member(org, "amy", "admin", brands=("shop",))
    bare = house.caller(org, "ann", frozenset())
    for caller in (bob, limited, bare, house.caller(org, "eve")):
        for method, request in (
            ("PutBrand", pb.PutBrandRequest(brand=pb.Brand(brand="club"))),
            ("PutMember", put("amy", "admin")),
            ("RemoveMember", pb.RemoveMemberRequest(user="ann")),
            ("ListMembers", pb.ListMembersRequest()),
        ):
            with pytest.raises(PermissionDenied) as caught:
                await house.call(method, caller, request)
            assert caught.value.reason == "NOT_PERMITTED"


async def test_owners_are_changed_by_owners_only_and_one_stays(house: House) -> None:
    org = await house.organisation()
    owner = house.caller(org)
    admin = await house.member(org, "amy", "admin")
    for request in (put("eve", "owner"), put("amy", "owner"), put("ann", "viewer")):
        with pytest.raises(PermissionDenied):
            await house.call("PutMember", admin, request)
    with pytest.raises(PermissionDenied):
        await house.call("RemoveMember", admin, pb.RemoveMemberRequest(user="ann"))
    for request in (put("ann", "admin"), put("ann", "owner", brands=("shop",))):
        with pytest.raises(FailedPrecondition, match="owner"):
            await house.call("PutMember", owner, request)
    with pytest.raises(FailedPrecondition):
        await house.call("RemoveMember", owner, pb.RemoveMemberRequest(user="ann"))
    await house.call("PutMember", owner, put("zoe", "owner"))
    await house.call("PutMember", owner, put("ann", "admin"))
    with pytest.raises(PermissionDenied):
        await house.call("RemoveMember", owner, pb.RemoveMemberRequest(user="zoe"))


async def test_two_owners_cannot_remove_each_other(house: House) -> None:
    for _ in range(5):
        org = await house.organisation()
        zoe = await house.member(org, "zoe", "owner")
        done = await asyncio.gather(
            house.call("RemoveMember", house.caller(org), pb.RemoveMemberRequest(user="zoe")),
            house.call("RemoveMember", zoe, pb.RemoveMemberRequest(user="ann")),
            return_exceptions=True,
        )
        assert sum(isinstance(result, KitError) for result in done) == 1, done


async def test_wrong_fields_are_named(house: House) -> None:
    org = await house.organisation()
    for request, field in ((put("bob", "wizard"), "member.roles"), (put("bob", "viewer", brands=("club",)), "brands")):
        with pytest.raises(InvalidArgument, match=field):
            await house.call("PutMember", house.caller(org), request)
    with pytest.raises(InvalidArgument, match="zone"):
        bad = pb.PutBrandRequest(brand=pb.Brand(brand="club", zone="Mars/Olympus"))
        await house.call("PutBrand", house.caller(org), bad)
    assert [m.user for m in (await house.call("ListMembers", house.caller(org), pb.ListMembersRequest())).members] == [
        "ann"
    ]
