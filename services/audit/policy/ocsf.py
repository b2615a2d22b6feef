"""An event in the words of the Open Cybersecurity Schema Framework, for collectors that know those."""

from __future__ import annotations

from typing import Any

from services.audit.policy.catalogue import API_ACTIVITY, AUTHENTICATION, Catalogue
from services.audit.policy.model import Record

VERSION = "1.3.0"
_SUCCESS, _FAILURE, _UNKNOWN = (1, "Success"), (2, "Failure"), (0, "Unknown")
_STATUS = {"ALLOW": _SUCCESS, "DENY": _FAILURE, "THROTTLE": _FAILURE, "CHALLENGE": _FAILURE}
_OTHER_ACTIVITY, _LOGON = 99, 1
_INFORMATIONAL, _LOW, _HIGH = 1, 2, 4


def of(record: Record, sequence: int, digest: str, catalogue: Catalogue, *, erased: bool) -> dict[str, Any]:
    """One event. Personal fields are in it as far as they can still be opened."""
    kind = catalogue.get(record.code)
    class_uid = kind.ocsf if kind else API_ACTIVITY
    activity = _LOGON if class_uid == AUTHENTICATION else _OTHER_ACTIVITY
    status, word = _STATUS.get(record.outcome, _UNKNOWN)
    severity = _HIGH if record.kind == "critical" and status != 1 else _LOW if status != 1 else _INFORMATIONAL
    user = {"uid": record.actor, **({"name": "erased"} if erased else {})}
    found: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": record.code,
        "actor": {"user": user},
        "category_uid": class_uid // 1000,
        "class_uid": class_uid,
        "type_uid": class_uid * 100 + activity,
        "time": record.at_us // 1000,
        "severity_id": severity,
        "status_id": status,
        "status": word,
        "status_detail": record.reason,
        "metadata": {
            "version": VERSION,
            "uid": record.event_id,
            "tenant_uid": record.organisation,
            "correlation_uid": record.txn,
            "sequence": sequence,
            "log_name": "audit",
            "product": {"name": "Hauberk", "vendor_name": "Hauberk"},
        },
        "src_endpoint": _endpoint(record),
        "observables": [],
        "unmapped": {"brand": record.brand, "facts": dict(record.facts), "hash": digest, "trace_id": record.trace_id},
    }
    if class_uid == AUTHENTICATION:
        found["user"] = user
        found["is_mfa"] = bool(record.mfa)
    else:
        found["api"] = {"operation": record.code, "service": {"name": record.service}}
    if record.user_agent:
        found["http_request"] = {"user_agent": record.user_agent}
    return found


def _endpoint(record: Record) -> dict[str, str]:
    if record.client_address:
        return {"ip": record.client_address}
    return {"name": dict(record.facts).get("workload", "") or record.service}
