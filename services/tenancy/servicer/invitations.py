"""Invitations."""

from __future__ import annotations

from typing import Any

from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import current_caller
from services.tenancy.messages import directory as messages
from services.tenancy.servicer.core import Part


class Invitations(Part):
    """How somebody becomes a member without being put there."""

    async def CreateInvitation(self, request: pb.CreateInvitationRequest, _: Any) -> pb.CreateInvitationResponse:
        """Makes one; the secret is in this answer only."""
        made, secret = await self._core.invitations.create(
            current_caller(), messages.invitation_of(request), request.ttl.seconds, request.request_id
        )
        return pb.CreateInvitationResponse(invitation=messages.invitation(made), secret=secret)

    async def ListInvitations(self, request: pb.ListInvitationsRequest, _: Any) -> pb.ListInvitationsResponse:
        """A page of invitations."""
        rows, token = await self._core.invitations.list(current_caller(), request.page_size, request.page_token)
        return pb.ListInvitationsResponse(invitations=map(messages.invitation, rows), next_page_token=token)

    async def DeleteInvitation(self, request: pb.DeleteInvitationRequest, _: Any) -> pb.DeleteInvitationResponse:
        """Takes one back."""
        existed = await self._core.invitations.delete(current_caller(), request.invitation, request.etag)
        return pb.DeleteInvitationResponse(existed=existed)

    async def AcceptInvitation(self, request: pb.AcceptInvitationRequest, _: Any) -> pb.AcceptInvitationResponse:
        """Asked by a backend for the user whom it has signed in; nobody is a tenant yet."""
        joined = await self._core.invitations.accept(request.secret, request.user)
        if joined is None or joined.already:
            return pb.AcceptInvitationResponse(
                outcome=common.OUTCOME_DENY,
                reason=common.REASON_CREDENTIAL_NOT_ACCEPTED,
                already_member=joined is not None,
            )
        return pb.AcceptInvitationResponse(
            outcome=common.OUTCOME_ALLOW,
            reason=common.REASON_NONE,
            organisation=joined.organisation,
            roles=joined.roles,
            brands=joined.brands,
        )
