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
    "canary",
    "context_token",
    "context",
    "header_fields",
    "penalty",
)
COMPLETE_KEYS = (
    "outcome",
    "reason",
    "verdicts",
    "text",
    "restored",
    "settlement",
    "micro_usd",
    "safe_reply",
    "degraded",
    "txn",
    "trace_id",
)
TOOL_KEYS = (
    "outcome",
    "reason",
    "verdicts",
    "arguments_json",
    "arguments_sha256",
    "repair",
    "safe_reply",
    "degraded",
    "txn",
    "trace_id",
    "approval",
    "definition_hash",
)
Answer = pb.AdmitResponse | pb.CompleteResponse | pb.AuthorizeToolCallResponse


def as_dict(answer: Answer) -> dict[str, Any]:
    """Every key is always there; a message that the answer does not carry is null."""
    found = json_format.MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {key: found.get(key) for key in _keys(answer)}


def _keys(answer: Answer) -> tuple[str, ...]:
    if isinstance(answer, pb.CompleteResponse):
        return COMPLETE_KEYS
    return TOOL_KEYS if isinstance(answer, pb.AuthorizeToolCallResponse) else KEYS


def outer(answer: Answer) -> dict[str, Any]:
    """What an outsider can tell two refusals apart by: everything but ids and times."""
    found = as_dict(answer)
    for key in ("txn", "trace_id", "admission", "admission_expires_at"):
        found.pop(key, None)
    for verdict in found["verdicts"]:
        verdict.pop("duration", None)
    return found
