"""What is on record of a change: its class, what it is about, which fields; never what they were set to."""

from __future__ import annotations

from typing import Any, cast

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.audit import EventClass
from services.kit.auditing import event_of
from services.kit.call import Call

WORDS = "Ada Lovelace, 212-555-0143"
SECRET = "hbi_" + "0" * 49
MADE = pb.CreateInvitationResponse(invitation=pb.Invitation(invitation="inv_" + "0" * 22), secret=SECRET)
JOINED = pb.AcceptInvitationResponse(outcome=common.OUTCOME_ALLOW, organisation="acme", roles=["member"])
CASES: dict[str, tuple[Any, Any, str, str]] = {
    "UpdateBrand": (pb.UpdateBrandRequest(brand="shop", display_name=WORDS), None, "shop", ""),
    "DeleteBrand": (pb.DeleteBrandRequest(brand="shop", etag="ab"), pb.DeleteBrandResponse(), "shop", ""),
    "PutBrand": (pb.PutBrandRequest(brand=pb.Brand(brand="shop", display_name=WORDS)), None, "shop", ""),
    "PutMember": (pb.PutMemberRequest(member=pb.Member(user="bob", display_name=WORDS)), None, "bob", ""),
    "UpdateMember": (
        pb.UpdateMemberRequest(
            user="bob", display_name=WORDS, update_mask=FieldMask(paths=["suspended", "roles", WORDS])
        ),
        None,
        "bob",
        "roles.suspended",
    ),
    "RemoveMember": (pb.RemoveMemberRequest(user="bob"), None, "bob", ""),
    "UpdateSettings": (
        pb.UpdateSettingsRequest(display_name=WORDS, update_mask=FieldMask(paths=["display_name"])),
        None,
        "",
        "display_name",
    ),
    "CreateInvitation": (pb.CreateInvitationRequest(user="zoe", display_name=WORDS), MADE, "inv_" + "0" * 22, ""),
    "DeleteInvitation": (pb.DeleteInvitationRequest(invitation="inv_" + "1" * 22), None, "inv_" + "1" * 22, ""),
    "AcceptInvitation": (pb.AcceptInvitationRequest(secret=SECRET, user="zoe"), JOINED, "zoe", ""),
    "UpdateOrganisation": (
        pb.UpdateOrganisationRequest(organisation="acme", display_name=WORDS, update_mask=FieldMask(paths=["plan"])),
        None,
        "",
        "plan",
    ),
}


def called(name: str, request: Any) -> Call:
    call = Call(f"/hauberk.tenancy.v1.TenancyService/{name}", None, cast(Any, None))
    call.request = request
    return call


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_critical_and_says_what_it_is_about(name: str) -> None:
    request, answer, about, fields = CASES[name]
    call = called(name, request)
    event = event_of(call, answer, "tenancy", 1.0, "")
    assert event.kind is EventClass.CRITICAL
    assert (event.facts.get("about", ""), event.facts.get("fields", "")) == (about, fields)
    kept = str(event.message("tenancy"))
    assert "Ada" not in kept
    assert "hbi_" not in kept


def test_an_acceptance_belongs_to_the_organisation_that_was_joined() -> None:
    request, answer, _, _ = CASES["AcceptInvitation"]
    call = called("AcceptInvitation", request)
    assert event_of(call, answer, "tenancy", 1.0, "").organisation == "acme"
    assert event_of(call, None, "tenancy", 1.0, ".asked").organisation == ""


def test_readings_say_no_more_than_before() -> None:
    call = called("GetMember", pb.GetMemberRequest(user="bob"))
    event = event_of(call, None, "tenancy", 1.0, "")
    assert event.kind is EventClass.DECISION
    assert "about" not in event.facts
