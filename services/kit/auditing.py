"""The layers that put direct calls on record: what a backend or an operator asked a service, and what came of it.

Calls by the gateway are not recorded here: it puts each request on record once, with every service's verdict.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any

from hauberk.common.v1 import decision_pb2 as common

from services.kit.audit import Event, EventClass, Trail
from services.kit.beside import beside
from services.kit.call import Call, Proceed
from services.kit.clock import Clock
from services.kit.errors import KitError, public

DIRECT = frozenset({"backend", "operator"})
# Public keys are read every few seconds by everybody; Append is how events come in.
UNRECORDED = frozenset({"Append", "GetJwks"})
# What changes who may do what. Each is on record at the store before it is done.
CRITICAL = frozenset(
    {
        "auth/BootstrapApiKey",
        "auth/CreateApiKey",
        "auth/RotateApiKey",
        "auth/RevokeApiKey",
        "auth/ImportApiKey",
        "auth/PutKeySettings",
        "auth/PutKeyWebhook",
        "auth/DeleteKeyWebhook",
        "auth/CreateSession",
        "auth/RevokeSession",
        "auth/RevokeSubject",
        "auth/PutBrandEdge",
        "tenancy/CreateOrganisation",
        "tenancy/UpdateOrganisation",
        "tenancy/PutBrand",
        "tenancy/PutMember",
        "tenancy/UpdateBrand",
        "tenancy/DeleteBrand",
        "tenancy/UpdateMember",
        "tenancy/RemoveMember",
        "tenancy/UpdateSettings",
        "tenancy/CreateInvitation",
        "tenancy/DeleteInvitation",
        "tenancy/AcceptInvitation",
        "tenancy/PutResources",
        "tenancy/DeleteResources",
        "tenancy/PutPolicySet",
        "tenancy/ActivatePolicyVersion",
        "tenancy/DeletePolicyVersion",
        "ratelimit/Grant",
        "ratelimit/Reset",
        "redaction/PutRecognizer",
        "redaction/DeleteRecognizer",
        "redaction/PutRedactionSettings",
        "guardrail/PutTool",
        "context-token/Revoke",
        "audit/Export",
    }
)
_REFUSED = {
    "UNAUTHENTICATED": (common.OUTCOME_DENY, common.REASON_CREDENTIAL_NOT_ACCEPTED),
    "PERMISSION_DENIED": (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED),
    "UNAVAILABLE": (common.OUTCOME_UNSPECIFIED, common.REASON_STAGE_UNAVAILABLE),
    "DEADLINE_EXCEEDED": (common.OUTCOME_UNSPECIFIED, common.REASON_DEADLINE_SPENT),
}
_UNKNOWN = (common.OUTCOME_UNSPECIFIED, common.REASON_UNSPECIFIED)
_TXN = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Auditing:
    """Records each direct call once it is decided. What is not on record is not answered: Unavailable instead."""

    name = "audit"
    # Outside of identity and validation, to see what they refuse; outside of the deadline as well, so that a call that
    # ran out of time, or was cancelled, still has the time to be recorded.
    after: tuple[str, ...] = ("boundary",)

    def __init__(self, trail: Trail, service: str, clock: Clock) -> None:
        self._trail, self._service, self._clock = trail, service, clock

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        """Lets the call be decided, then records what came of it."""
        try:
            answer = await proceed()
        except asyncio.CancelledError:
            self._abandoned(call)
            raise
        except Exception as error:
            if recorded(call):
                await self._trail.emit(self._event(call, None, public(error).code.name, _reason(error)))
            raise
        if recorded(call):
            await self._trail.emit(self._event(call, answer, "OK", ""))
        return answer

    def _abandoned(self, call: Call) -> None:
        """The caller has gone; whoever cancels does not wait for the disk."""
        if recorded(call):
            _ = beside(self._emit(self._event(call, None, "CANCELLED", "")))

    async def _emit(self, event: Event) -> None:
        try:
            await self._trail.emit(event)
        except KitError:  # the caller got no answer either
            return

    def _event(self, call: Call, answer: Any, status: str, error: str) -> Event:
        outcome, reason = _decided(answer, status)
        facts = {"status": status, "error": error}
        return event_of(call, answer, self._service, self._clock.now(), "", outcome=outcome, reason=reason, facts=facts)


class Intent:
    """Puts a change of who may do what on record at the store before it is done; else it is not done."""

    name = "intent"
    after: tuple[str, ...] = ("boundary", "audit", "deadline", "telemetry", "identity", "validation")

    def __init__(self, trail: Trail, service: str, clock: Clock) -> None:
        self._trail, self._service, self._clock = trail, service, clock

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        """Blocks when the store does not take the event."""
        if is_critical(self._service, call) and recorded(call):
            event = event_of(call, None, self._service, self._clock.now(), ".asked")
            await self._trail.emit(event, critical=True)
        return await proceed()


def recorded(call: Call) -> bool:
    """Whether this call is put on record by these layers."""
    direct = call.workload is not None and call.workload.kind in DIRECT
    return direct and not call.recorded and _rpc(call) not in UNRECORDED


def is_critical(service: str, call: Call) -> bool:
    """Whether it changes who may do what."""
    return f"{service}/{_rpc(call)}" in CRITICAL


def event_of(call: Call, answer: Any, service: str, at: float, suffix: str, **more: Any) -> Event:
    """What is known of a call: who, for whom, from where."""
    rpc, caller = _rpc(call), call.caller
    principal = getattr(answer, "principal", None)
    txn = caller.txn if caller else str(getattr(answer, "txn", ""))
    prefix = txn if _TXN.fullmatch(txn) else secrets.token_hex(8)
    workload = call.workload.name if call.workload else ""
    target = _text(call.request, "organisation")
    session = _text(call.request, "session_id") or _text(answer, "session_id")
    facts = {"workload": workload, "target": target, "session": session}
    if is_critical(service, call):
        facts |= _named(call.request, answer)
    facts |= call.facts | more.pop("facts", {})
    return Event(
        # A token serves several calls: what tells them apart is drawn by lot.
        event_id=f"{prefix}/{service}/{rpc}/{secrets.token_hex(6)}",
        code=f"{service.replace('-', '_')}.{_WORDS.sub('_', rpc).lower()}{suffix}",
        at=at,
        kind=EventClass.CRITICAL if is_critical(service, call) else EventClass.DECISION,
        organisation=caller.organisation
        if caller
        else _text(principal, "organisation") or _text(answer, "organisation"),
        actor=(caller.subject if caller else _text(principal, "subject")) or workload,
        brand=caller.brand if caller else _text(principal, "brand"),
        txn=txn,
        trace_id=call.trace_id,
        client_address=_text(call.request, "client_address"),
        user_agent=_text(call.request, "user_agent"),
        facts={name: value for name, value in facts.items() if value},
        **more,
    )


def _named(request: Any, answer: Any) -> dict[str, str]:
    """What a change is about, by its id; and which fields it names, as far as the contract knows them."""
    ids = (
        _text(getattr(answer, "invitation", None), "invitation"),
        _text(request, "invitation"),
        _text(request, "user") or _text(getattr(request, "member", None), "user"),
        _text(request, "brand") or _text(getattr(request, "brand", None), "brand"),
    )
    named = {"about": next(filter(None, ids), "")}
    if hasattr(request, "update_mask"):
        known = request.DESCRIPTOR.fields_by_name
        named["fields"] = ".".join(sorted({path for path in request.update_mask.paths if path in known}))
    return named


def _rpc(call: Call) -> str:
    return call.method.rpartition("/")[2]


def _text(message: Any, name: str) -> str:
    value = getattr(message, name, "")
    return value if isinstance(value, str) else ""


def _decided(answer: Any, status: str) -> tuple[Any, Any]:
    """The answer's own decision when it has one; else what its status says."""
    if status != "OK":
        return _REFUSED.get(status, _UNKNOWN)
    outcome = getattr(answer, "outcome", None)
    if isinstance(outcome, int):
        return outcome, getattr(answer, "reason", common.REASON_UNSPECIFIED)
    return common.OUTCOME_ALLOW, common.REASON_NONE


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, KitError) else ""
