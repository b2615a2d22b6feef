"""The operator's list, masks, etags and request ids."""

from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.errors import Aborted, AlreadyExists, InvalidArgument, NotFound
from tests.contract.tenancy.house import House


async def test_every_organisation_is_on_one_page(house: House) -> None:
    made = {await house.organisation() for _ in range(5)}
    found: list[pb.Organisation] = []
    token = ""
    while True:
        request = pb.ListOrganisationsRequest(page_size=3, page_token=token)
        page = await house.servicer.ListOrganisations(request, None)
        assert len(page.organisations) <= 3
        found += page.organisations
        token = page.next_page_token
        if not token:
            break
    names = [one.organisation for one in found]
    assert made <= set(names)
    assert names == sorted(set(names))
    with pytest.raises(InvalidArgument, match="page_token"):
        await house.servicer.ListOrganisations(pb.ListOrganisationsRequest(page_token="x"), None)


async def test_masks_and_etags_of_an_organisation(house: House) -> None:
    name = await house.organisation()
    before = (await house.servicer.GetOrganisation(pb.GetOrganisationRequest(organisation=name), None)).organisation
    request = pb.UpdateOrganisationRequest(
        organisation=name,
        plan="free",
        display_name="New",
        etag=before.etag,
        update_mask=FieldMask(paths=["display_name"]),
    )
    after = (await house.servicer.UpdateOrganisation(request, None)).organisation
    assert (after.display_name, after.plan, after.status) == ("New", before.plan, before.status)
    assert after.etag != before.etag
    with pytest.raises(Aborted):
        await house.servicer.UpdateOrganisation(request, None)
    for path in ("organisation", "etag", "created_at", "members", "status"):
        wrong = pb.UpdateOrganisationRequest(organisation=name, update_mask=FieldMask(paths=[path]))
        with pytest.raises(InvalidArgument):
            await house.servicer.UpdateOrganisation(wrong, None)
    with pytest.raises(NotFound):
        gone = pb.UpdateOrganisationRequest(organisation="nobody", plan="free", etag=before.etag)
        await house.servicer.UpdateOrganisation(gone, None)
    now = (await house.servicer.GetOrganisation(pb.GetOrganisationRequest(organisation=name), None)).organisation
    assert now == after


async def test_a_creation_that_is_asked_again(house: House) -> None:
    base = await house.organisation()
    request = pb.CreateOrganisationRequest(
        organisation=base + "-x", plan="free", first_brand="shop", first_admin="ann", request_id="r-1"
    )
    first = await house.servicer.CreateOrganisation(request, None)
    assert await house.servicer.CreateOrganisation(request, None) == first
    for other in ("r-2", ""):
        request.request_id = other
        with pytest.raises(AlreadyExists):
            await house.servicer.CreateOrganisation(request, None)


async def test_plans_are_those_of_the_deployment(house: House) -> None:
    page = await house.servicer.ListPlans(pb.ListPlansRequest(page_size=2), None)
    rest = await house.servicer.ListPlans(pb.ListPlansRequest(page_token=page.next_page_token), None)
    assert [plan.plan for plan in (*page.plans, *rest.plans)] == ["enterprise", "free", "pro"]
    assert not rest.next_page_token
