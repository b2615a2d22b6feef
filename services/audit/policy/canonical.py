"""The bytes that are hashed: JSON with sorted keys, no spaces, and nothing but texts (a form after RFC 8785).

Every key is ASCII and every value a text, so the two things that make canonical JSON hard, numbers and the order of
keys beyond ASCII, do not come up.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from services.audit.policy.model import Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TEXTS = (
    "event_id",
    "code",
    "outcome",
    "reason",
    "organisation",
    "actor",
    "brand",
    "service",
    "txn",
    "trace_id",
    "client_address",
    "user_agent",
    "mfa",
    "challenge",
)
_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
_KEYS = frozenset({*_TEXTS, "at", "class", "facts"})
_KEYS_SEALED = _KEYS | {"sealed"}


class NotCanonicalError(ValueError):
    """Bytes that this module never made."""


def encode(record: Record) -> bytes:
    """The same bytes for the same event, always."""
    body: dict[str, Any] = {name: getattr(record, name) for name in _TEXTS}
    body["at"] = written(record.at_us)
    body["class"] = record.kind
    body["facts"] = dict(record.facts)
    if record.sealed is not None:
        body["sealed"] = dict(record.sealed)
    return _write(body).encode()


def decode(canonical: bytes) -> Record:
    """The event of canonical bytes; raises NotCanonicalError for any others."""
    try:
        body = json.loads(canonical)
        if set(body) != (_KEYS_SEALED if "sealed" in body else _KEYS):
            raise NotCanonicalError
        sealed = tuple(sorted(body["sealed"].items())) if "sealed" in body else None
        facts = tuple(sorted(body["facts"].items()))
        texts = {name: body[name] for name in _TEXTS}
        if not all(isinstance(value, str) for value in [*texts.values(), body["class"], *body["facts"].values()]):
            raise NotCanonicalError
        if not all(isinstance(value, str) for _, value in sealed or ()):
            raise NotCanonicalError
        record = Record(kind=body["class"], at_us=read(body["at"]), facts=facts, sealed=sealed, **texts)
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        raise NotCanonicalError from None
    if encode(record) != canonical:
        raise NotCanonicalError
    return record


def written(at_us: int) -> str:
    """A moment as text, in UTC, always with six digits."""
    moment = _EPOCH + timedelta(microseconds=at_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06}Z"


def read(text: str) -> int:
    """The moment that `written` wrote, in microseconds."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
