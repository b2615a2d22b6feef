"""Refusals in the words that clients of OpenAI-compatible interfaces know."""

from __future__ import annotations

from typing import Any

from hauberk.common.v1 import decision_pb2 as decision

from gateway.edge.openai.strict import write

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}
# Reasons that stand for something else than "not permitted"; what a guard saw is not told, as in every safe reply.
_STATUSES = {
    decision.REASON_CREDENTIAL_NOT_ACCEPTED: 401,
    decision.REASON_ADMISSION_NOT_ACCEPTED: 401,
    decision.REASON_SESSION_ROTATION_REQUIRED: 401,
    decision.REASON_STEP_UP_REQUIRED: 401,
    decision.REASON_CONTEXT_NOT_ACCEPTED: 401,
    decision.REASON_RATE_LIMITED: 429,
    decision.REASON_BUDGET_EXHAUSTED: 429,
    decision.REASON_ADDRESS_OVER_LIMIT: 429,
    decision.REASON_PENALISED: 429,
    decision.REASON_INJECTION: 400,
    decision.REASON_NEVER_FITS: 400,
    decision.REASON_TOO_LARGE: 400,
    decision.REASON_UNKNOWN_MODEL: 400,
    decision.REASON_STAGE_UNAVAILABLE: 503,
    decision.REASON_DEADLINE_SPENT: 503,
    decision.REASON_CHALLENGE_UNAVAILABLE: 503,
}
_CODES = {decision.REASON_INJECTION: "content_filter", decision.REASON_BUDGET_EXHAUSTED: "insufficient_quota"}


def status_of(reason: decision.Reason.ValueType) -> int:
    """The HTTP status of a refusal."""
    return _STATUSES.get(reason, 403)


def code_of(reason: decision.Reason.ValueType) -> str:
    """The code of a refusal, in lower case."""
    return _CODES.get(reason) or decision.Reason.Name(reason).removeprefix("REASON_").lower()


def error(status: int, code: str, message: str, param: str = "") -> dict[str, Any]:
    """The error object."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param or None, "code": code}}


def body(status: int, code: str, message: str, param: str = "") -> bytes:
    """The error as the body of an answer."""
    return write(error(status, code, message, param))
