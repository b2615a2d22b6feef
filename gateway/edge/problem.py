"""A refusal in the words of HTTP: status, problem details (RFC 9457) and the fields that go with them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from hauberk.common.v1 import decision_pb2 as decision

from gateway.answers import Decision

MEDIA_TYPE = "application/problem+json"
UNDECIDED = frozenset({decision.REASON_STAGE_UNAVAILABLE, decision.REASON_DEADLINE_SPENT})
_STATUS = {
    decision.REASON_CREDENTIAL_NOT_ACCEPTED: HTTPStatus.UNAUTHORIZED,
    decision.REASON_SESSION_ROTATION_REQUIRED: HTTPStatus.UNAUTHORIZED,
    decision.REASON_STEP_UP_REQUIRED: HTTPStatus.UNAUTHORIZED,
    decision.REASON_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    decision.REASON_NEVER_FITS: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    decision.REASON_RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    decision.REASON_BUDGET_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    decision.REASON_STAGE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    decision.REASON_DEADLINE_SPENT: HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer in place of the product's."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


def status_of(made: Decision) -> HTTPStatus:
    """The status of a refusal; what is not known is forbidden."""
    if made.outcome == decision.OUTCOME_THROTTLE and made.reason not in UNDECIDED:
        return HTTPStatus.TOO_MANY_REQUESTS
    return _STATUS.get(made.reason, HTTPStatus.FORBIDDEN)


def problem_of(made: Decision, detail: str, txn: str) -> Problem:
    """The refusal of a decision; `detail` is what a user may be told."""
    status = status_of(made)
    code = decision.Reason.Name(made.reason).removeprefix("REASON_").lower()
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        step_up = made.reason == decision.REASON_STEP_UP_REQUIRED
        headers["www-authenticate"] = 'Bearer error="insufficient_user_authentication"' if step_up else "Bearer"
    if made.retry_after > 0:
        headers["retry-after"] = str(math.ceil(made.retry_after))
    return problem(status, code, detail, txn, headers)


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    txn: str = "",
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Problem:
    """Problem details; `code` is a stable word for programs, `more` are members of our own."""
    said: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
        **(more or {}),
    }
    if txn:
        said["instance"] = f"urn:hauberk:txn:{txn}"
    fields = {"content-type": MEDIA_TYPE, "cache-control": "no-store", **(headers or {})}
    return Problem(status.value, json.dumps(said, ensure_ascii=False), fields)
