"""The catalogue of events: what the contract's calls put on record, and what services do beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from google.protobuf.descriptor import FileDescriptor
from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.context_token.v1 import context_token_service_pb2 as context_token
from hauberk.gateway.v1 import gateway_service_pb2 as gateway
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.redaction.v1 import redaction_service_pb2 as redaction
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy

from services.audit.policy.catalogue import OWN, EventType, of_call
from services.kit.auditing import CRITICAL, UNRECORDED

CONTRACT: Mapping[str, FileDescriptor] = {
    "audit": audit.DESCRIPTOR,
    "auth": auth.DESCRIPTOR,
    "context-token": context_token.DESCRIPTOR,
    "gateway": gateway.DESCRIPTOR,
    "guardrail": guardrail.DESCRIPTOR,
    "ratelimit": ratelimit.DESCRIPTOR,
    "redaction": redaction.DESCRIPTOR,
    "tenancy": tenancy.DESCRIPTOR,
}
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def code_of(service: str, method: str) -> str:
    """The code of the event that a call makes."""
    return f"{service.replace('-', '_')}.{_WORDS.sub('_', method).lower()}"


@cache
def catalogue() -> Mapping[str, EventType]:
    """Every event there is, by code."""
    found: dict[str, EventType] = {}
    for service, file in CONTRACT.items():
        for contract in file.services_by_name.values():
            for method in contract.methods:
                if method.name in UNRECORDED:
                    continue
                code = code_of(service, method.name)
                critical = f"{service}/{method.name}" in CRITICAL
                found.update({each.code: each for each in of_call(code, critical=critical)})
    found.update({each.code: each for each in OWN})
    return dict(sorted(found.items()))
