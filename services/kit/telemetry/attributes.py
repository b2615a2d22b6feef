"""The allow-list of attributes: every name that may stand on a span or a metric, and what its value may look like.

Free text cannot get through: a string must look like an identifier of ours, else it is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, StrEnum

from opentelemetry.trace import Span

Plain = str | int | float | bool

# Identifiers, enum names, method names, versions: no spaces, no '@', no quotes.
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_./:-]{0,127}")
# Long digit runs (cards, phones, national ids) are never part of an identifier of ours.
_DIGITS = re.compile(r"\d[\d.:/-]{6,}\d")
# Numbers of ours are counts and milliseconds; a larger one could be a card, a phone or a national id.
_LARGEST = 10**8


class Attr(StrEnum):
    """Names of attributes; RPC and GenAI names follow the OpenTelemetry semantic conventions."""

    RPC_SYSTEM = "rpc.system.name"
    RPC_METHOD = "rpc.method"
    RPC_STATUS = "rpc.response.status_code"
    ERROR_TYPE = "error.type"
    OUTCOME = "hauberk.outcome"
    REASON = "hauberk.reason"
    DEGRADED = "hauberk.degraded"
    STAGE = "hauberk.stage"
    DECIDED_BY = "hauberk.decided_by"
    WORKLOAD = "hauberk.workload"
    PEER = "hauberk.peer"
    ORGANISATION = "hauberk.organisation"
    BRAND = "hauberk.brand"
    PLAN = "hauberk.plan"
    POLICY_VERSION = "hauberk.policy_version"
    SCRIPT = "hauberk.redis.script"
    LIMITS = "hauberk.ratelimit.limits"
    CACHED = "hauberk.cached"
    MODE = "hauberk.mode"
    CREDENTIAL_KIND = "hauberk.credential.kind"
    ENTITIES = "hauberk.redaction.entities"
    CHARACTERS = "hauberk.redaction.characters"
    TEXTS = "hauberk.redaction.texts"
    POLICIES = "hauberk.tenancy.policies"
    STATEMENTS = "hauberk.postgres.statements"


def is_plain(value: object) -> bool:
    """True for a value that cannot be somebody's text: number, flag, None, enum, identifier."""
    if isinstance(value, Enum):
        return True
    if isinstance(value, str):
        return bool(_IDENTIFIER.fullmatch(value)) and not _DIGITS.search(value)
    return value is None or (isinstance(value, bool | int | float) and abs(value) < _LARGEST)


def put(span: Span, attributes: Mapping[Attr, Plain]) -> None:
    """Sets what the allow-list lets through; anything else is left out without a word."""
    if span.is_recording():
        span.set_attributes({name.value: value for name, value in attributes.items() if is_plain(value)})
