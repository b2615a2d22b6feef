"""Invitations: made, listed, taken back, accepted once, void when whoever invited no longer may."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller
from services.kit.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied
from tests.contract.tenancy.house import SCOPES, House

NO = pb.AcceptInvitationResponse(outcome=common.OUTCOME_DENY, reason=common.REASON_CREDENTIAL_NOT_ACCEPTED)


async def invite(house: House, by: Caller, **fields: Any) -> pb.CreateInvitationResponse:
    made: pb.CreateInvitationResponse = await house.call("CreateInvitation", by, pb.CreateInvitationRequest(**fields))
    return made


async def accept(house: House, secret: str, user: str) -> pb.AcceptInvitationResponse:
    return await house.servicer.AcceptInvitation(pb.AcceptInvitationRequest(secret=secret, user=user), None)


async def states(house: House, by: Caller) -> list[int]:
    page = await house.call("ListInvitations", by, pb.ListInvitationsRequest())
    return [one.state for one in page.invitations]


async def admin_sql(house: House, statement: str, *values: Any) -> None:
    async with await psycopg.AsyncConnection.connect(house.stores.admin_dsn, autocommit=True) as connection:
        await connection.execute(statement, list(values))


async def test_whoever_holds_the_secret_becomes_a_member_once(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org)
    made = await invite(house, ann, roles=["viewer"], brands=["shop"], display_name="New one")
    answer = await accept(house, made.secret, "new")
    assert (answer.outcome, answer.organisation) == (common.OUTCOME_ALLOW, org)
    assert (list(answer.roles), list(answer.brands)) == (["viewer"], ["shop"])
    member = (await house.call("GetMember", ann, pb.GetMemberRequest(user="new"))).member
    assert (list(member.roles), list(member.brands), member.display_name) == (["viewer"], ["shop"], "New one")
    assert (await house.ask(house.caller(org, "new"), "brands.read", "Brand", "shop")).outcome == common.OUTCOME_ALLOW
    assert await accept(house, made.secret, "new") == answer, "the same user may ask again"
    assert await accept(house, made.secret, "other") == NO
    assert await states(house, ann) == [pb.INVITATION_STATE_ACCEPTED]
    await house.call("RemoveMember", ann, pb.RemoveMemberRequest(user="new"))
    assert await accept(house, made.secret, "new") == NO, "nobody comes back by it"


async def test_whatever_is_not_accepted_is_one_answer(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org)
    good = (await invite(house, ann)).secret
    named = (await invite(house, ann, user="zoe")).secret
    gone = await invite(house, ann)
    await house.call("DeleteInvitation", ann, pb.DeleteInvitationRequest(invitation=gone.invitation.invitation))
    old = await invite(house, ann)
    await admin_sql(
        house,
        "UPDATE tenancy.invitations SET created_at = now() - interval '2 h', expires_at = now() - interval '1 s'"
        " WHERE invitation_id = %s",
        old.invitation.invitation,
    )
    swapped = good[:-1] + ("0" if good[-1] != "0" else "1")
    for secret, user in ((swapped, "u"), ("", "u"), ("hbi_", "u"), ("x" * 128, "u"), (named, "u"), (gone.secret, "u"),
                         (old.secret, "u"), (good, "ann"), (old.invitation.invitation, "u")):  # fmt: skip
        assert await accept(house, secret, user) == NO
    suspend = pb.UpdateOrganisationRequest(organisation=org, status=pb.ORGANISATION_STATUS_SUSPENDED)
    await house.servicer.UpdateOrganisation(suspend, None)
    assert await accept(house, good, "u") == NO
    suspend.status = pb.ORGANISATION_STATUS_ACTIVE
    await house.servicer.UpdateOrganisation(suspend, None)
    assert (await accept(house, good, "u")).outcome == common.OUTCOME_ALLOW
    assert pb.INVITATION_STATE_EXPIRED in await states(house, ann)


async def test_a_member_is_told_so_only_by_an_invitation_of_their_own(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org)
    named, open_one = await invite(house, ann, user="bob", roles=["admin"]), await invite(house, ann, roles=["admin"])
    await house.member(org, "bob", "viewer")
    refused = await accept(house, named.secret, "bob")
    assert (refused.outcome, refused.already_member, refused.organisation) == (common.OUTCOME_DENY, True, "")
    assert await accept(house, open_one.secret, "bob") == NO
    assert list((await house.call("GetMember", ann, pb.GetMemberRequest(user="bob"))).member.roles) == ["viewer"]
    with pytest.raises(FailedPrecondition):
        await invite(house, ann, user="bob")


async def test_the_inviter_must_still_be_allowed(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org)

    async def by(name: str) -> str:
        return (await invite(house, await house.member(org, name, "admin"))).secret

    removed, suspended, demoted, limited, promoted = [await by(n) for n in ("a1", "a2", "a3", "a4", "a5")]
    await house.call("RemoveMember", ann, pb.RemoveMemberRequest(user="a1"))
    for user, path, more in (("a2", "suspended", {"suspended": True}), ("a3", "roles", {"roles": ["member"]}),
                             ("a4", "brands", {"brands": ["shop"]}), ("a5", "roles", {"roles": ["admin", "owner"]}),
                             ("a2", "suspended", {"suspended": False})):  # fmt: skip
        request = pb.UpdateMemberRequest(user=user, update_mask=FieldMask(paths=[path]), **more)
        await house.call("UpdateMember", ann, request)
    for secret in (removed, suspended, demoted, limited):
        assert await accept(house, secret, "new") == NO
    assert sorted(await states(house, ann)) == [pb.INVITATION_STATE_PENDING, *[pb.INVITATION_STATE_VOID] * 3]
    assert (await accept(house, promoted, "new")).outcome == common.OUTCOME_ALLOW


async def test_other_policies_in_force_void_what_is_pending(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org, scopes=SCOPES | {"policies.manage"})
    secret = (await invite(house, ann)).secret
    text = '@id("own.x") forbid (principal, action == Action::"members.manage", resource);'
    await house.call("PutPolicySet", ann, pb.PutPolicySetRequest(policies=text, use=pb.POLICY_USE_TRY))
    assert await states(house, ann) == [pb.INVITATION_STATE_PENDING]
    await house.call("PutPolicySet", ann, pb.PutPolicySetRequest(policies=text, use=pb.POLICY_USE_ENFORCE))
    assert await accept(house, secret, "new") == NO


async def test_who_may_invite_to_what(house: House) -> None:
    org = await house.organisation("shop")
    ann, amy = house.caller(org), await house.member(org, "amy", "admin")
    limited = await house.member(org, "lim", "admin", brands=("shop",))
    for caller, roles in ((amy, ["owner"]), (amy, ["member", "owner"]), (limited, ["viewer"]),
                          (house.caller(org, scopes=frozenset()), ["viewer"]), (house.caller(org, "eve"), ["viewer"]),
                          (await house.member(org, "bob", "member"), ["viewer"])):  # fmt: skip
        with pytest.raises(PermissionDenied):
            await invite(house, caller, roles=roles)
    for fields in ({"roles": ["root"]}, {"brands": ["nowhere"]}):
        with pytest.raises(InvalidArgument):
            await invite(house, ann, **fields)
    assert await states(house, ann) == []
    assert (await invite(house, ann, roles=["owner"])).secret
    await house.call("UpdateSettings", ann, pb.UpdateSettingsRequest(invitation_roles=["owner"]))
    with pytest.raises(PermissionDenied):  # nor by the default
        await invite(house, amy)


async def test_a_request_that_is_asked_again(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org)
    first = await invite(house, ann, roles=["viewer"], request_id="r-1")
    again = await invite(house, ann, roles=["viewer"], request_id="r-1")
    assert first.invitation.invitation == again.invitation.invitation
    assert await accept(house, first.secret, "new") == NO
    with pytest.raises(AlreadyExists):
        await invite(house, ann, roles=["admin"], request_id="r-1")
    assert (await accept(house, again.secret, "new")).outcome == common.OUTCOME_ALLOW
    with pytest.raises(AlreadyExists):
        await invite(house, ann, roles=["viewer"], request_id="r-1")
    both = await asyncio.gather(*(invite(house, ann, request_id="r-2") for _ in range(4)))
    assert len({made.invitation.invitation for made in both}) == 1


async def test_pages_etags_and_what_is_kept(house: House) -> None:
    org = await house.organisation("shop")
    ann = house.caller(org)
    made = [await invite(house, ann) for _ in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = await house.call("ListInvitations", ann, pb.ListInvitationsRequest(page_size=2, page_token=token))
        seen += [one.invitation for one in page.invitations]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(one.invitation.invitation for one in made)
    name = seen[0]
    with pytest.raises(Aborted):
        await house.call("DeleteInvitation", ann, pb.DeleteInvitationRequest(invitation=name, etag="0" * 32))
    assert (await house.call("DeleteInvitation", ann, pb.DeleteInvitationRequest(invitation=name))).existed
    assert not (await house.call("DeleteInvitation", ann, pb.DeleteInvitationRequest(invitation=name))).existed
    async with await psycopg.AsyncConnection.connect(house.stores.admin_dsn) as connection:
        rows = await connection.execute("SELECT i::text FROM tenancy.invitations i WHERE org_id = %s", [org])
        kept = "".join(row[0] for row in await rows.fetchall())
    assert kept
    assert not any(one.secret in kept or one.secret[4:] in kept for one in made)
