"""Sessions."""

from __future__ import annotations

import re
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2

from services.auth import messages
from services.auth.policy.identity import Circumstances
from services.auth.policy.sessions import SessionRecord
from services.auth.servicer.flows import Part
from services.kit import pages
from services.kit.caller import current_caller
from services.kit.errors import InvalidArgument

KIND = "sessions"
_LAST = re.compile(r"(\d{1,17})\.(ses_[0-9A-Za-z]{16,32})")


class SessionParts(Part):
    """Opens, rotates, ends and lists them."""

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Any) -> pb.CreateSessionResponse:
        """A session for the caller's own user."""
        asked = messages.seconds(request.ttl) if request.HasField("ttl") else None
        opened = await self._flows.sessions.open(current_caller(), asked, _around(request))
        answer = pb.CreateSessionResponse(
            session=opened.text,
            expires_at=messages.moment(opened.record.expires_at),
            session_id=opened.record.session_id,
        )
        answer.idle_limit.FromSeconds(opened.record.idle_seconds)
        return answer

    async def RotateSession(self, request: pb.RotateSessionRequest, context: Any) -> pb.RotateSessionResponse:
        """A new session in place of an old one."""
        found = await self._flows.sessions.rotate(request.session, _around(request))
        reason = messages.credential_reason(found.cause)
        if found.opened is None:
            return pb.RotateSessionResponse(outcome=decision_pb2.OUTCOME_DENY, reason=reason)
        record = found.opened.record
        return pb.RotateSessionResponse(
            outcome=decision_pb2.OUTCOME_ALLOW,
            reason=reason,
            session=found.opened.text,
            session_id=record.session_id,
            expires_at=messages.moment(record.expires_at),
            principal=pb.Principal(
                organisation=record.organisation,
                brand=record.brand,
                subject=record.subject,
                plan=found.plan,
                scopes=sorted(record.scopes),
            ),
        )

    async def RevokeSession(self, request: pb.RevokeSessionRequest, context: Any) -> pb.RevokeSessionResponse:
        """Ends a session at once."""
        await self._flows.sessions.revoke(current_caller(), request.session_id)
        return pb.RevokeSessionResponse()

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        """One page of live sessions."""
        caller = current_caller()
        found, more = await self._flows.sessions.page(
            caller, request.subject, _cursor(request.page_token), request.page_size
        )
        return pb.ListSessionsResponse(
            sessions=[_shown(record, caller.session_id) for record in found],
            next_page_token=_page_token(found[-1]) if more else "",
        )


def _around(request: pb.CreateSessionRequest | pb.RotateSessionRequest) -> Circumstances:
    return Circumstances(client_address=request.client_address, user_agent=request.user_agent)


def _shown(record: SessionRecord, current: str) -> pb.Session:
    shown = pb.Session(
        session_id=record.session_id,
        subject=record.subject,
        brand=record.brand,
        created_at=messages.moment(record.created_at),
        expires_at=messages.moment(record.expires_at),
        last_seen_at=messages.moment(record.last_seen_at),
        network=record.network,
        agent=record.agent,
        current=record.session_id == current,
    )
    shown.idle_limit.FromSeconds(record.idle_seconds)
    return shown


def _page_token(last: SessionRecord) -> str:
    return pages.encode(KIND, f"{round(last.created_at * 1e6)}.{last.session_id}")


def _cursor(token: str) -> tuple[float, str] | None:
    try:
        last = pages.decode(KIND, token)
    except pages.BadTokenError:
        last = "?"
    if not last:
        return None
    match = _LAST.fullmatch(last)
    if match is None:
        raise InvalidArgument.of("page_token", "a token from the page before")
    return int(match[1]) / 1e6, match[2]
