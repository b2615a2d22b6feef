"""What a gRPC status says to a person: code, reason, message, and each wrong field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.rpc import error_details_pb2, status_pb2
from grpc import aio

_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that could not be decided."""

    code: str
    reason: str
    message: str
    fields: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def of(cls, error: aio.AioRpcError) -> Failure:
        """Reads the status with its google.rpc details."""
        reason, fields = "", []
        for detail in _details(error):
            info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
            if detail.Unpack(info):
                reason = info.reason
            elif detail.Unpack(bad):
                fields = [(violation.field, violation.description) for violation in bad.field_violations]
        return cls(error.code().name, reason, _message(error, reason), tuple(fields))

    def line(self) -> str:
        """One plain line."""
        if self.fields:
            return "the request is malformed: " + "; ".join(f"{name}: {rule}" for name, rule in self.fields)
        return f"{self.message} ({self.code})"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        fields = [{"field": name, "rule": rule} for name, rule in self.fields]
        return {"code": self.code, "reason": self.reason, "message": self.message, "fields": fields}


def _details(error: aio.AioRpcError) -> list[Any]:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            return list(status_pb2.Status.FromString(value).details)
    return []


def _message(error: aio.AioRpcError, reason: str) -> str:
    """Our own services' text is safe to show; what the transport says is named by its code only."""
    if reason:
        return error.details() or "the request could not be decided"
    if error.code().name == "UNAVAILABLE":
        return "the stack cannot be reached"
    if error.code().name == "DEADLINE_EXCEEDED":
        return "there was no answer in time"
    return "the request could not be decided"
