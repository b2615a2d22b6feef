"""What a user may be told when a request is refused: says what to do next, never why a guard refused."""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb

LOCALE = "en"
_LATER = "Our assistant cannot answer right now. Please try again in a moment."
_TEXTS: dict[int, str] = {
    decision.REASON_CREDENTIAL_NOT_ACCEPTED: "Please sign in again.",
    decision.REASON_NOT_PERMITTED: "You do not have access to this assistant.",
    decision.REASON_ORGANISATION_SUSPENDED: "This service is paused. Please contact your administrator.",
    decision.REASON_NEVER_FITS: "This request is too large. Please shorten it.",
    decision.REASON_TOO_LARGE: "This request is too large. Please shorten it.",
    decision.REASON_ADDRESS_OVER_LIMIT: "Please confirm that you are not a robot.",
    decision.REASON_CHALLENGE_REQUIRED: "Please confirm that you are not a robot.",
}


def safe_reply(reason: decision.Reason.ValueType, retry_after: float) -> pb.SafeReply:
    """The reply for a refusal; `retry_after` in seconds, 0 = unknown."""
    if reason in (decision.REASON_RATE_LIMITED, decision.REASON_BUDGET_EXHAUSTED):
        return pb.SafeReply(
            text=f"You have reached your limit. Please try again in {_spoken(retry_after)}.", locale=LOCALE
        )
    return pb.SafeReply(text=_TEXTS.get(reason, _LATER), locale=LOCALE)


def _spoken(seconds: float) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds > size:
            count = -(-int(seconds) // size)
            return f"{count} {name}{'s' if count > 1 else ''}"
    count = max(1, round(seconds))
    return f"{count} second{'s' if count > 1 else ''}"
