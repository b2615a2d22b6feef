"""From auth's own values to messages of the contract, and page tokens both ways."""

from __future__ import annotations

import base64
import binascii
import re

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2

from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.causes import Cause
from services.kit.caller import Caller
from services.kit.epochs import key_of
from services.kit.errors import InvalidArgument

_CURSOR = re.compile(r"(\d{1,17})\.(key_[0-9A-Za-z]{16,32})")
# The credential is good and something else stands against it: said, for an honest user to understand.
_OPEN_REASONS = {
    Cause.NONE: decision_pb2.REASON_NONE,
    Cause.WRONG_BRAND: decision_pb2.REASON_NOT_PERMITTED,
    Cause.NOT_A_MEMBER: decision_pb2.REASON_NOT_PERMITTED,
    Cause.NOT_PERMITTED: decision_pb2.REASON_NOT_PERMITTED,
    Cause.ORGANISATION_SUSPENDED: decision_pb2.REASON_ORGANISATION_SUSPENDED,
    Cause.SESSION_MUST_ROTATE: decision_pb2.REASON_SESSION_ROTATION_REQUIRED,
}


def credential_reason(cause: Cause) -> decision_pb2.Reason.ValueType:
    """The outer reason: one and the same for whatever is wrong with a credential."""
    return _OPEN_REASONS.get(cause, decision_pb2.REASON_CREDENTIAL_NOT_ACCEPTED)


def principal(caller: Caller) -> pb.Principal:
    """What the gateway may show to its stages."""
    return pb.Principal(
        organisation=caller.organisation,
        brand=caller.brand,
        subject=caller.subject,
        plan=caller.plan,
        scopes=sorted(caller.scopes),
        key_id=key_of(caller.credential_id),
        session_id=caller.session_id,
    )


def api_key(record: KeyRecord) -> pb.ApiKey:
    """What is kept of a key."""
    ends = [end for end in (record.expires_at, record.grace_until) if end is not None]
    return pb.ApiKey(
        key_id=record.key_id,
        display_name=record.display_name,
        subject=record.subject,
        brand=record.brand,
        scopes=sorted(record.scopes),
        last_four=record.last_four,
        created_at=moment(record.created_at),
        expires_at=moment(min(ends)) if ends else None,
        revoked_at=None if record.revoked_at is None else moment(record.revoked_at),
        rotated_to=record.rotated_to,
    )


def moment(seconds: float) -> Timestamp:
    """Unix seconds as a timestamp."""
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp


def page_token(last: KeyRecord) -> str:
    """Where the next page begins. It only points into the caller's own keys, so it needs no seal."""
    text = f"{round(last.created_at * 1e6)}.{last.key_id}"
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def cursor_of(token: str) -> tuple[float, str] | None:
    """What `page_token` made; raises InvalidArgument for anything else."""
    if not token:
        return None
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InvalidArgument.of("page_token", "a token from the page before")
    return int(match[1]) / 1e6, match[2]


def seconds(duration: Duration) -> float:
    """A duration in seconds."""
    return duration.seconds + duration.nanos / 1e9
