"""The access matrix: read from the contract's `access` option, enforced for every call.

A method without a declared kind is a start-up error, so a new RPC cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.descriptor import ServiceDescriptor
from hauberk.common.v1 import access_pb2

TENANT = access_pb2.ACCESS_KIND_TENANT
WORKLOAD = access_pb2.ACCESS_KIND_WORKLOAD
OPERATOR = access_pb2.ACCESS_KIND_OPERATOR
ANONYMOUS = access_pb2.ACCESS_KIND_ANONYMOUS


class UndeclaredAccessError(ValueError):
    """A method of the contract does not say who may call it: the process does not start."""


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may call one method."""

    kind: int
    workloads: frozenset[str]
    scope: str


def rules_of(services: Iterable[ServiceDescriptor]) -> dict[str, AccessRule]:
    """Rules by full method name, `/package.Service/Method`."""
    rules: dict[str, AccessRule] = {}
    for service in services:
        for method in service.methods:
            declared = method.GetOptions().Extensions[access_pb2.access]
            if declared.kind == access_pb2.ACCESS_KIND_UNSPECIFIED:
                raise UndeclaredAccessError(f"{service.full_name}.{method.name} declares no access")
            if declared.kind != ANONYMOUS and not declared.workloads:
                raise UndeclaredAccessError(f"{service.full_name}.{method.name} names no workload that may call it")
            rules[f"/{service.full_name}/{method.name}"] = AccessRule(
                declared.kind, frozenset(declared.workloads), declared.scope
            )
    return rules
