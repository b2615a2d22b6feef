"""Brands by field mask and etag, their end; settings of an organisation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller
from services.kit.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from tests.contract.tenancy.house import SCOPES, House


async def put(house: House, by: Caller, name: str, **fields: Any) -> pb.Brand:
    made: pb.Brand = (await house.call("PutBrand", by, pb.PutBrandRequest(brand=pb.Brand(brand=name, **fields)))).brand
    return made


async def test_only_named_fields_change(house: House) -> None:
    ann = house.caller(await house.organisation("shop"))
    made = await put(house, ann, "club", display_name="Club", zone="Asia/Tokyo")
    request = pb.UpdateBrandRequest(
        brand="club", zone="Europe/Berlin", etag=made.etag, update_mask=FieldMask(paths=["zone"])
    )
    changed = (await house.call("UpdateBrand", ann, request)).brand
    assert (changed.display_name, changed.zone) == ("Club", "Europe/Berlin")
    assert changed.created_at == made.created_at
    assert (await house.call("GetBrand", ann, pb.GetBrandRequest(brand="club"))).brand == changed
    for stale in (request, pb.DeleteBrandRequest(brand="club", etag=made.etag)):
        with pytest.raises(Aborted):
            await house.call(type(stale).__name__.removesuffix("Request"), ann, stale)
    with pytest.raises(Aborted):
        await put(house, ann, "club", etag=made.etag)
    with pytest.raises(Aborted):
        await put(house, ann, "new-one", etag=made.etag)
    for paths, zone in ((["brand"], ""), (["size"], ""), (["zone"], "Mars/Olympus")):
        with pytest.raises(InvalidArgument):
            await house.call(
                "UpdateBrand", ann, pb.UpdateBrandRequest(brand="club", zone=zone, update_mask=FieldMask(paths=paths))
            )
    assert (await house.call("GetBrand", ann, pb.GetBrandRequest(brand="club"))).brand == changed


async def test_a_brand_out_of_reach_is_no_brand(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org)
    await put(house, ann, "club")
    bob = await house.member(org, "bob", "admin", brands=("shop",))
    for name in ("club", "nowhere"):
        with pytest.raises(NotFound):
            await house.call("GetBrand", bob, pb.GetBrandRequest(brand=name))
    with pytest.raises(PermissionDenied):
        await house.call("DeleteBrand", bob, pb.DeleteBrandRequest(brand="club"))
    with pytest.raises(NotFound):
        await house.call("UpdateBrand", ann, pb.UpdateBrandRequest(brand="nowhere", display_name="x"))
    assert not (await house.call("DeleteBrand", ann, pb.DeleteBrandRequest(brand="nowhere"))).existed


async def test_a_brand_that_is_the_last_or_in_use_stays(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org, scopes=SCOPES | {"resources.write"})

    async def reason(name: str) -> str:
        with pytest.raises(FailedPrecondition) as caught:
            await house.call("DeleteBrand", ann, pb.DeleteBrandRequest(brand=name))
        return caught.value.reason

    assert await reason("shop") == "LAST_BRAND"
    for name in ("club", "cafe", "mart", "talk"):
        await put(house, ann, name)
    await house.member(org, "bob", "member", brands=("club",))
    await house.call("CreateInvitation", ann, pb.CreateInvitationRequest(brands=["cafe"]))
    facts = pb.ResourceFacts(resource=pb.Resource(type="Document", id="d1"), brand="mart")
    await house.call("PutResources", ann, pb.PutResourcesRequest(facts=[facts]))
    talker = house.caller(org)
    turn = pb.AppendTurnRequest(conversation="c1", role=common.ROLE_USER, text="hello")
    await house.call("AppendTurn", talker, turn)  # of the caller's brand, shop
    assert {await reason(name) for name in ("club", "cafe", "mart", "shop")} == {"BRAND_IN_USE"}
    assert (await house.call("DeleteBrand", ann, pb.DeleteBrandRequest(brand="talk"))).existed
    await house.call("RemoveMember", ann, pb.RemoveMemberRequest(user="bob"))
    assert (await house.call("DeleteBrand", ann, pb.DeleteBrandRequest(brand="club"))).existed


async def test_two_deletions_leave_one_brand(house: House) -> None:
    ann = house.caller(await house.organisation("shop"))
    await put(house, ann, "club")
    answers = await asyncio.gather(
        *(house.call("DeleteBrand", ann, pb.DeleteBrandRequest(brand=name)) for name in ("shop", "club")),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["DeleteBrandResponse", "FailedPrecondition"]
    assert len((await house.call("ListBrands", ann, pb.ListBrandsRequest())).brands) == 1


async def test_settings_do_what_they_say(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org)
    first = (await house.call("GetSettings", ann, pb.GetSettingsRequest())).settings
    assert (first.default_zone, list(first.invitation_roles), first.invitation_ttl.seconds) == (
        "UTC",
        ["member"],
        604800,
    )
    request = pb.UpdateSettingsRequest(
        display_name="Shop & Co", default_zone="Asia/Tokyo", invitation_roles=["viewer"], etag=first.etag
    )
    request.invitation_ttl.FromSeconds(7200)
    now = (await house.call("UpdateSettings", ann, request)).settings
    assert (now.display_name, now.plan) == ("Shop & Co", "pro")
    assert (await put(house, ann, "club")).zone == "Asia/Tokyo"
    assert (await put(house, ann, "cafe", zone="UTC")).zone == "UTC"
    assert (await put(house, ann, "cafe")).zone == "UTC", "an existing brand keeps its zone"
    made = (await house.call("CreateInvitation", ann, pb.CreateInvitationRequest())).invitation
    assert list(made.roles) == ["viewer"]
    assert made.expires_at.seconds - made.created_at.seconds in (7199, 7200, 7201)
    seen = (await house.servicer.GetOrganisation(pb.GetOrganisationRequest(organisation=org), None)).organisation
    assert seen.display_name == "Shop & Co"
    with pytest.raises(Aborted):
        await house.call("UpdateSettings", ann, request)


async def test_settings_are_changed_by_who_manages_and_within_bounds(house: House) -> None:
    org = await house.organisation("shop")
    ann, bob = house.caller(org), await house.member(org, "bob", "member")
    assert (await house.call("GetSettings", bob, pb.GetSettingsRequest())).settings.plan == "pro"
    half = house.caller(org, scopes=frozenset({"members.manage"}))
    for caller in (bob, half, house.caller(org, "eve")):
        with pytest.raises(PermissionDenied):
            await house.call("UpdateSettings", caller, pb.UpdateSettingsRequest(display_name="x"))
    for path in ("plan", "etag", "status", "default_zone", "invitation_roles", "invitation_ttl"):
        with pytest.raises(InvalidArgument):
            await house.call("UpdateSettings", ann, pb.UpdateSettingsRequest(update_mask=FieldMask(paths=[path])))
    with pytest.raises(InvalidArgument):
        await house.call("UpdateSettings", ann, pb.UpdateSettingsRequest(invitation_roles=["root"]))
