"""Organisations, brands, members, settings and invitations: between the contract and the core."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.tenancy.flows.directory import BrandUpdate, MemberUpdate
from services.tenancy.flows.own_settings import SettingsUpdate
from services.tenancy.policy import Brand, Member, Organisation, Status
from services.tenancy.policy.invitations import Invitation, Settings, State

_STATUSES = {
    Status.ACTIVE: pb.ORGANISATION_STATUS_ACTIVE,
    Status.SUSPENDED: pb.ORGANISATION_STATUS_SUSPENDED,
}
STATUS_OF = {code: status for status, code in _STATUSES.items()}
_STATES = {
    State.PENDING: pb.INVITATION_STATE_PENDING,
    State.ACCEPTED: pb.INVITATION_STATE_ACCEPTED,
    State.EXPIRED: pb.INVITATION_STATE_EXPIRED,
    State.VOID: pb.INVITATION_STATE_VOID,
}


def organisation(facts: Organisation) -> pb.Organisation:
    """Lifecycle facts."""
    return pb.Organisation(
        organisation=facts.organisation,
        display_name=facts.display_name,
        plan=facts.plan,
        status=_STATUSES[facts.status],
        created_at=time_of(facts.created_at),
        updated_at=time_of(facts.changed_at),
        etag=facts.etag,
    )


def brand(facts: Brand) -> pb.Brand:
    """A brand."""
    return pb.Brand(
        brand=facts.brand,
        display_name=facts.display_name,
        zone=facts.zone,
        created_at=time_of(facts.created_at),
        updated_at=time_of(facts.changed_at),
        etag=facts.etag,
    )


def member(facts: Member) -> pb.Member:
    """A member; no brands means all of them, as the contract says."""
    return pb.Member(
        user=facts.user,
        roles=facts.roles,
        brands=sorted(facts.brands),
        created_at=time_of(facts.joined_at),
        display_name=facts.display_name,
        suspended=facts.suspended,
        updated_at=time_of(facts.changed_at),
        etag=facts.etag,
    )


def settings(facts: Settings) -> pb.Settings:
    """Settings."""
    message = pb.Settings(
        display_name=facts.display_name,
        plan=facts.plan,
        default_zone=facts.default_zone,
        invitation_roles=facts.invitation_roles,
        created_at=time_of(facts.created_at),
        updated_at=time_of(facts.changed_at),
        etag=facts.etag,
    )
    message.invitation_ttl.FromSeconds(facts.invitation_seconds)
    return message


def invitation(facts: Invitation) -> pb.Invitation:
    """An invitation, without what opens it."""
    return pb.Invitation(
        invitation=facts.invitation,
        user=facts.user,
        roles=facts.roles,
        brands=sorted(facts.brands),
        display_name=facts.display_name,
        invited_by=facts.invited_by,
        state=_STATES[facts.state],
        created_at=time_of(facts.created_at),
        expires_at=time_of(facts.expires_at),
        accepted_by=facts.accepted_by,
        updated_at=time_of(facts.changed_at),
        etag=facts.etag,
    )


def brand_of(message: pb.Brand) -> Brand:
    """A brand as asked for."""
    return Brand(message.brand, message.display_name, message.zone, etag=message.etag)


def brand_update(request: pb.UpdateBrandRequest) -> BrandUpdate:
    """A change as asked for."""
    paths = tuple(request.update_mask.paths)
    return BrandUpdate(request.brand, request.display_name, request.zone, paths, request.etag)


def member_of(message: pb.Member) -> Member:
    """A member as asked for."""
    brands = frozenset(message.brands)
    return Member(
        message.user,
        tuple(dict.fromkeys(message.roles)),
        brands,
        all_brands=not brands,
        display_name=message.display_name,
        etag=message.etag,
    )


def member_update(request: pb.UpdateMemberRequest) -> MemberUpdate:
    """A change as asked for."""
    return MemberUpdate(
        request.user,
        tuple(dict.fromkeys(request.roles)),
        frozenset(request.brands),
        request.display_name,
        request.suspended,
        tuple(request.update_mask.paths),
        request.etag,
    )


def settings_update(request: pb.UpdateSettingsRequest) -> SettingsUpdate:
    """A change as asked for."""
    return SettingsUpdate(
        request.display_name,
        request.default_zone,
        tuple(dict.fromkeys(request.invitation_roles)),
        request.invitation_ttl.seconds,
        tuple(request.update_mask.paths),
        request.etag,
    )


def invitation_of(request: pb.CreateInvitationRequest) -> Invitation:
    """An invitation as asked for."""
    brands, roles = frozenset(request.brands), tuple(dict.fromkeys(request.roles))
    return Invitation("", request.user, roles, brands, all_brands=not brands, display_name=request.display_name)


def time_of(seconds: float) -> Timestamp:
    """A moment, to the millisecond."""
    stamp = Timestamp()
    stamp.FromMilliseconds(round(seconds * 1000))
    return stamp
