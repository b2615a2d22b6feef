"""Containment: holds and ends, for the audit service's playbooks."""

from __future__ import annotations

from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb

from services.auth.flows.containment import Contained, Outcome
from services.auth.servicer.flows import Part
from services.kit.errors import InvalidArgument

_KINDS = {
    pb.CONTAINED_KIND_USER: Contained.USER,
    pb.CONTAINED_KIND_API_KEY: Contained.API_KEY,
    pb.CONTAINED_KIND_SESSION: Contained.SESSION,
    pb.CONTAINED_KIND_SESSIONS: Contained.SESSIONS,
}
_FINAL = (Contained.SESSION, Contained.SESSIONS)
_PREFIXES = {Contained.API_KEY: "key_", Contained.SESSION: "ses_", Contained.USER: "", Contained.SESSIONS: ""}


class Containing(Part):
    """ContainSubject and LiftContainment."""

    async def ContainSubject(self, request: pb.ContainSubjectRequest, _: Any) -> pb.ContainSubjectResponse:
        """Holds or ends."""
        kind, flow = _kind(request), self._flows.containment
        if request.containment == pb.CONTAINMENT_HOLD and kind in _FINAL:
            raise InvalidArgument.of("containment", "a session can only be ended")
        act = flow.hold if request.containment == pb.CONTAINMENT_HOLD else flow.end
        outcome = await act(request.organisation, kind, request.id, approved=request.approved)
        return pb.ContainSubjectResponse(
            changed=outcome is Outcome.CHANGED, needs_approval=outcome is Outcome.NEEDS_APPROVAL
        )

    async def LiftContainment(self, request: pb.LiftContainmentRequest, _: Any) -> pb.LiftContainmentResponse:
        """Lifts a hold."""
        kind = _kind(request)
        if kind in _FINAL:
            raise InvalidArgument.of("kind", "a session that was ended does not come back")
        outcome = await self._flows.containment.lift(request.organisation, kind, request.id)
        return pb.LiftContainmentResponse(changed=outcome is Outcome.CHANGED)


def _kind(request: pb.ContainSubjectRequest | pb.LiftContainmentRequest) -> Contained:
    kind = _KINDS[request.kind]
    if not request.id.startswith(_PREFIXES[kind]):
        raise InvalidArgument.of("id", "must be an id of that kind")
    return kind
