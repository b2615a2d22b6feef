"""Operators do lifecycle, and cannot read what belongs to a tenant."""

from __future__ import annotations

import psycopg
import pytest
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from tests.contract.tenancy.house import House

DOORS = (
    "accept_invitation",
    "create_organisation",
    "expire",
    "get_organisation",
    "list_organisations",
    "plans_of",
    "update_organisation",
)


async def test_create_get_update(house: House) -> None:
    name = await house.organisation()
    found = (await house.servicer.GetOrganisation(pb.GetOrganisationRequest(organisation=name), None)).organisation
    assert (found.plan, found.status) == ("pro", pb.ORGANISATION_STATUS_ACTIVE)
    assert found.created_at.seconds > 1_700_000_000
    changed = await house.servicer.UpdateOrganisation(
        pb.UpdateOrganisationRequest(organisation=name, plan="enterprise"), None
    )
    assert (changed.organisation.plan, changed.organisation.status) == ("enterprise", pb.ORGANISATION_STATUS_ACTIVE)
    resolved = await house.call("ResolvePrincipal", house.caller(name), pb.ResolvePrincipalRequest())
    assert (resolved.plan, list(resolved.roles), resolved.brand) == ("enterprise", ["owner"], "shop")


async def test_a_taken_name_changes_nothing(house: House) -> None:
    name = await house.organisation(admin="ann")
    request = pb.CreateOrganisationRequest(organisation=name, plan="free", first_brand="evil", first_admin="eve")
    with pytest.raises(AlreadyExists):
        await house.servicer.CreateOrganisation(request, None)
    assert (await house.ask(house.caller(name, "eve"), "brands.read", "Brand", "shop")).outcome == common.OUTCOME_DENY
    assert (await house.ask(house.caller(name), "brands.read", "Brand", "evil")).outcome == common.OUTCOME_DENY


async def test_unknown_organisation_and_plan(house: House) -> None:
    with pytest.raises(NotFound):
        await house.servicer.GetOrganisation(pb.GetOrganisationRequest(organisation="nobody"), None)
    with pytest.raises(NotFound):
        await house.servicer.UpdateOrganisation(pb.UpdateOrganisationRequest(organisation="nobody"), None)
    with pytest.raises(InvalidArgument, match="plan"):
        await house.servicer.UpdateOrganisation(
            pb.UpdateOrganisationRequest(organisation="nobody", plan="platinum"), None
        )


async def test_suspension_refuses_everything_at_once_and_ends(house: House) -> None:
    name = await house.organisation()
    ann = house.caller(name)
    assert (await house.ask(ann, "chat.send", "Brand", "shop")).outcome == common.OUTCOME_ALLOW

    async def set_status(status: pb.OrganisationStatus.ValueType) -> None:
        await house.servicer.UpdateOrganisation(pb.UpdateOrganisationRequest(organisation=name, status=status), None)

    await set_status(pb.ORGANISATION_STATUS_SUSPENDED)
    refused = (common.OUTCOME_DENY, common.REASON_ORGANISATION_SUSPENDED)
    answer = await house.ask(ann, "chat.send", "Brand", "shop")
    assert (answer.outcome, answer.reason) == refused
    resolved = await house.call("ResolvePrincipal", ann, pb.ResolvePrincipalRequest())
    assert (resolved.outcome, resolved.reason) == refused
    assert (resolved.brand, resolved.plan, list(resolved.roles)) == ("", "", [])
    for method, request in (
        ("PutBrand", pb.PutBrandRequest(brand=pb.Brand(brand="club"))),
        ("ListBrands", pb.ListBrandsRequest()),
        ("PutMember", pb.PutMemberRequest(member=pb.Member(user="bob", roles=["viewer"]))),
        ("RemoveMember", pb.RemoveMemberRequest(user="bob")),
        ("ListMembers", pb.ListMembersRequest()),
    ):
        with pytest.raises(PermissionDenied) as caught:
            await house.call(method, ann, request)
        assert caught.value.reason == "ORGANISATION_SUSPENDED"
    await set_status(pb.ORGANISATION_STATUS_ACTIVE)
    assert (await house.ask(ann, "chat.send", "Brand", "shop")).outcome == common.OUTCOME_ALLOW


async def test_the_doors_cannot_read_tenant_data(house: House) -> None:
    async with await psycopg.AsyncConnection.connect(house.stores.admin_dsn) as connection:
        cursor = await connection.execute(
            "SELECT p.proname, r.rolname, r.rolsuper OR r.rolbypassrls OR r.rolcanlogin FROM pg_proc p"
            " JOIN pg_roles r ON r.oid = p.proowner WHERE p.pronamespace = 'tenancy'::regnamespace AND p.prosecdef"
        )
        assert sorted(await cursor.fetchall()) == [(door, "hauberk_lookup", False) for door in DOORS]
        for table in ("brands", "members", "member_brands"):
            cursor = await connection.execute(
                "SELECT bool_or(has_table_privilege('hauberk_lookup', %s, right_)) FROM"
                " unnest('{SELECT,UPDATE,DELETE,TRUNCATE,REFERENCES}'::text[]) AS right_",
                [f"tenancy.{table}"],
            )
            assert await cursor.fetchone() == (False,)
        # Not even given a grant by mistake: no policy shows that role a row.
        await connection.execute("GRANT SELECT ON tenancy.members TO hauberk_lookup")
        await connection.execute("SET LOCAL ROLE hauberk_lookup")
        cursor = await connection.execute("SELECT count(*) FROM tenancy.members")
        assert await cursor.fetchone() == (0,)
        await connection.rollback()


@pytest.mark.parametrize("role", ["hauberk_lookup", "hauberk_owner", "postgres"])
async def test_the_login_role_cannot_become_another(house: House, role: str) -> None:
    async with await psycopg.AsyncConnection.connect(house.stores.service_dsn("tenancy")) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(f"SET ROLE {role}")


@pytest.mark.parametrize("service", ["auth", "ratelimit", "audit"])
async def test_another_service_cannot_use_the_doors(house: House, service: str) -> None:
    async with await psycopg.AsyncConnection.connect(house.stores.service_dsn(service)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT tenancy.get_organisation('acme')")
