"""A decision as one JSON object with stable keys (protojson values, snake_case names)."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from hauberk.gateway.v1 import gateway_service_pb2 as pb

KEYS = (
    "outcome",
    "reason",
    "decided_by",
    "verdicts",
    "messages",
    "admission",
    "admission_expires_at",
    "limits",
    "retry_after",
    "safe_reply",
    "entities_not_searched",
    "degraded",
    "txn",
    "trace_id",
)


def as_dict(answer: pb.AdmitResponse) -> dict[str, Any]:
    """Every key is always there; a message that the answer does not carry is null."""
    found = json_format.MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {key: found.get(key) for key in KEYS}


def outer(answer: pb.AdmitResponse) -> dict[str, Any]:
    """What an outsider can tell two refusals apart by: everything but ids and times."""
    found = as_dict(answer)
    for key in ("txn", "trace_id", "admission", "admission_expires_at"):
        found.pop(key)
    for verdict in found["verdicts"]:
        verdict.pop("duration", None)
    return found
