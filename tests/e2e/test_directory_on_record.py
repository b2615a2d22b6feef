"""Changes of a directory are on record: asked, then done; what about, which fields, never a value."""

from __future__ import annotations

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, Metadata, fresh
from tests.support.waiting import eventually


async def found(backend: Backend, own: Metadata, about: set[str]) -> dict[tuple[str, str], Any]:
    """Events by what they are about and their code."""
    trail, events, page = AuditServiceStub(backend.channel("audit")), dict[tuple[str, str], Any](), ""
    while True:
        asked = audit.QueryRequest(page_size=200, page_token=page)
        got = await trail.Query(asked, timeout=DEADLINE, metadata=own)
        for event in got.events:
            if event.facts.get("about") in about:
                events[event.facts["about"], event.code] = event
        page = got.next_page_token
        if not page:
            return events


async def test_every_kind_of_change(stack: Stack) -> None:
    backend = Backend(stack)
    own = await backend.administer()
    stub, member, brand, joiner = TenancyServiceStub(backend.channel("tenancy")), *map(fresh, ("m", "brand", "joiner"))
    words = "Ada L., 212-555-0143"

    async def ask(method: str, request: Any) -> Any:
        return await getattr(stub, method)(request, timeout=DEADLINE, metadata=own)

    await ask("PutBrand", pb.PutBrandRequest(brand=pb.Brand(brand=brand, display_name=words)))
    await ask("UpdateBrand", pb.UpdateBrandRequest(brand=brand, display_name=words))
    await ask("DeleteBrand", pb.DeleteBrandRequest(brand=brand))
    await ask("PutMember", pb.PutMemberRequest(member=pb.Member(user=member, roles=["viewer"], display_name=words)))
    mask = FieldMask(paths=["suspended", "display_name"])
    await ask("UpdateMember", pb.UpdateMemberRequest(user=member, suspended=True, update_mask=mask))
    await ask("RemoveMember", pb.RemoveMemberRequest(user=member))
    kept = await ask("CreateInvitation", pb.CreateInvitationRequest(display_name=words))
    gone = (await ask("CreateInvitation", pb.CreateInvitationRequest())).invitation.invitation
    await ask("DeleteInvitation", pb.DeleteInvitationRequest(invitation=gone))
    await stub.AcceptInvitation(pb.AcceptInvitationRequest(secret=kept.secret, user=joiner), timeout=DEADLINE)
    wanted = {
        *((brand, f"tenancy.{name}_brand") for name in ("put", "update", "delete")),
        *((member, f"tenancy.{name}_member") for name in ("put", "update", "remove")),
        *((member, f"tenancy.{name}_member.asked") for name in ("put", "update", "remove")),
        (gone, "tenancy.create_invitation"),
        (gone, "tenancy.delete_invitation"),
        (joiner, "tenancy.accept_invitation"),
    }

    async def all_there() -> dict[tuple[str, str], Any]:
        events = await found(backend, own, {about for about, _ in wanted})
        return events if wanted <= events.keys() else {}

    events = await eventually(all_there)
    assert events
    assert events[member, "tenancy.update_member"].facts["fields"] == "display_name.suspended"
    assert {event.organisation for event in events.values()} == {stack.organisation}
    assert not any(word in str(events) for word in ("Ada L.", "555-0143", kept.secret))
