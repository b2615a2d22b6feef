"""What playbooks do, through the services that own it: auth holds and ends, the rate limiter penalises; exports are
frozen and notices written here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_rpc
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as ratelimit_rpc

from services.audit.response_ports import Case, NeedsApprovalError, Order, Watch
from services.kit.channels import Client
from services.kit.errors import Unavailable
from services.kit.settings import SettingsError

AT_MOST_SECONDS = 2.0
FREEZE = "exports"
_PENALTIES = {
    "slow_address": "incident_slow",
    "stop_address": "incident_stop",
    "slow_user": "incident_slow",
    "stop_user": "incident_stop",
}
_CONTAIN = {
    "block_user": (auth.CONTAINED_KIND_USER, auth.CONTAINMENT_HOLD),
    "hold_key": (auth.CONTAINED_KIND_API_KEY, auth.CONTAINMENT_HOLD),
    "step_up": (auth.CONTAINED_KIND_SESSION, auth.CONTAINMENT_END),
    "kill_sessions": (auth.CONTAINED_KIND_SESSIONS, auth.CONTAINMENT_END),
    "revoke_tokens": (auth.CONTAINED_KIND_USER, auth.CONTAINMENT_END),
    "revoke_keys": (auth.CONTAINED_KIND_API_KEY, auth.CONTAINMENT_END),
}


class PeerHands:
    """Implements `response_ports.Hands`. Channels are made at the first use: readiness waits for no peer."""

    def __init__(self, channel: Callable[[str], Any], watch: Watch) -> None:
        self._channel, self._watch = channel, watch
        self._auth, self._ratelimit = Client("auth"), Client("ratelimit")

    async def do(self, action: str, order: Order) -> None:
        """See the port."""
        if action in _PENALTIES:
            request = ratelimit.PenaliseSubjectRequest(
                **_subject(action, order), kind=_PENALTIES[action], event_id=order.event
            )
            await self._limit("PenaliseSubject", request)
        elif action in _CONTAIN:
            kind, containment = _CONTAIN[action]
            asked = auth.ContainSubjectRequest(
                organisation=order.organisation,
                kind=kind,
                id=order.subject,
                containment=containment,
                approved=order.approved,
            )
            if (await self._contain("ContainSubject", asked)).needs_approval:
                raise NeedsApprovalError
        elif action == "freeze_exports":
            await self._frozen(order, "frozen")
        elif action == "notify":
            body = {"event": order.event}
            notice = Case(order.organisation, "notice", order.event.rpartition("/")[2], "waiting", body, due=1.0)
            await self._watch.put(notice)

    async def undo(self, action: str, order: Order) -> None:
        """See the port."""
        if action in _PENALTIES:
            await self._limit("ForgiveSubject", ratelimit.ForgiveSubjectRequest(**_subject(action, order)))
        elif action in ("block_user", "hold_key"):
            asked = auth.LiftContainmentRequest(
                organisation=order.organisation, kind=_CONTAIN[action][0], id=order.subject
            )
            await self._contain("LiftContainment", asked)
        elif action == "freeze_exports":
            await self._frozen(order, "free")

    async def _frozen(self, order: Order, state: str) -> None:
        case = Case(order.subject, "freeze", FREEZE, state, {"event": order.event})
        if not await self._watch.put(case):
            await self._watch.move(replace(case), ["free", "frozen"])

    async def _limit(self, name: str, request: Any) -> Any:
        stub = ratelimit_rpc.RateLimitServiceStub(self._reached("ratelimit"))
        return await self._ratelimit.call(
            getattr(stub, name), request, at_most=AT_MOST_SECONDS, name=f"ratelimit.{name}"
        )

    async def _contain(self, name: str, request: Any) -> Any:
        stub = auth_rpc.AuthServiceStub(self._reached("auth"))
        return await self._auth.call(getattr(stub, name), request, at_most=AT_MOST_SECONDS, name=f"auth.{name}")

    def _reached(self, kind: str) -> Any:
        try:
            return self._channel(kind)
        except SettingsError:  # its address is not in the settings: it stays asked for
            raise Unavailable(kind) from None


def _subject(action: str, order: Order) -> dict[str, str]:
    if action.endswith("_address"):
        return {"client_address": order.subject}
    return {"organisation": order.organisation, "brand": order.brand, "user": order.subject}
