"""Admissions: what is remembered of an admitted request, and who may go on with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import asdict, dataclass

from services.auth.policy.causes import Cause
from services.kit.caller import Authentication, Epochs, KeyLimit

HANDLE_BYTES = 32
_HANDLE = re.compile(r"adm_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Admission:
    """Everything a fresh token of the same transaction needs (times are unix seconds)."""

    holder: str
    organisation: str
    subject: str
    brand: str
    credential_id: str
    session_id: str
    token_id: str
    scopes: tuple[str, ...]
    epochs: Epochs
    txn: str
    plan: str
    zone: str
    account_created: int
    actor: str
    authentication: Authentication
    limits: tuple[KeyLimit, ...]
    conversation: str
    reservation: str
    expires_at: float
    input_tokens: int = 0
    model: str = ""
    output_tokens: int = 0
    taint: str = ""  # the same, for tool calls
    prompt_prints: str = ""  # base64 of what guardrail gave; never looked at here


def handle(random: bytes) -> str:
    """The opaque handle made of 32 random bytes."""
    if len(random) != HANDLE_BYTES:
        raise ValueError("a handle is made of 32 random bytes")
    return "adm_" + base64.urlsafe_b64encode(random).decode("ascii").rstrip("=")


def well_formed(text: str) -> bool:
    """Whether a text has the shape of a handle."""
    return _HANDLE.fullmatch(text) is not None


def digest(text: str) -> str:
    """What the store knows a handle by: reading the store gives nobody a handle."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def decide_holder(admission: Admission | None, presented_by: str, now: float) -> Cause:
    """Whether this workload may go on with this admission now."""
    if admission is None:
        return Cause.ADMISSION_UNKNOWN
    if not hmac.compare_digest(admission.holder.encode(), presented_by.encode()):
        return Cause.ADMISSION_FOREIGN
    if admission.expires_at <= now:
        return Cause.ADMISSION_EXPIRED
    return Cause.NONE


def to_bytes(admission: Admission) -> bytes:
    """For the store."""
    return json.dumps(asdict(admission), separators=(",", ":")).encode()


def from_bytes(data: bytes) -> Admission | None:
    """From the store; None when it is not of this version's shape."""
    try:
        fields = json.loads(data)
        fields["epochs"] = Epochs(**fields["epochs"])
        fields["scopes"] = tuple(fields["scopes"])
        proof = fields["authentication"]
        fields["authentication"] = Authentication(proof["acr"], tuple(proof["amr"]), proof["auth_time"])
        fields["limits"] = tuple(KeyLimit(**limit) for limit in fields["limits"])
        return Admission(**fields)
    except (ValueError, TypeError, KeyError):
        return None
