"""House rules of the contract that buf does not know: access, bounds, tenancy, fail-closed zero values."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from buf.validate import validate_pb2
from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from hauberk.common.v1 import access_pb2

from services.kit.access import rules_of

GEN = Path(__file__).resolve().parents[2] / "gen"
# First path segments of workload identities; anything else in a rule would be a typing error that refuses everybody.
KINDS = {"gateway", "auth", "tenancy", "ratelimit", "redaction", "guardrail", "context-token", "audit", "backend"} | {
    "operator",
    "envoy",
}
# Contracts of others that we serve: names and paths are theirs, bounds and access are ours all the same.
FOREIGN = "hauberk/envoy/*/v3/*_pb2.py"
# Envoy's own zero values that mean something; what we write names its value always (tests/unit/gateway).
ENVOYS_ZEROS = {
    "envoy.config.core.v3.HeaderValueOption.HeaderAppendAction",
    "envoy.type.v3.StatusCode",
    "envoy.service.ext_proc.v3.CommonResponse.ResponseStatus",
    "envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.HeaderSendMode",
    "envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode",
}
EXEMPT = {"google.protobuf.Timestamp", "google.protobuf.Duration"}


def _files() -> list[FileDescriptor]:
    found = (path for pattern in ("hauberk/*/v1/*_pb2.py", FOREIGN) for path in GEN.glob(pattern))
    names = sorted(path.relative_to(GEN) for path in found)
    return [importlib.import_module(".".join(name.with_suffix("").parts)).DESCRIPTOR for name in names]


FILES = _files()


def _nested(message: Descriptor) -> Iterator[Descriptor]:
    if not message.GetOptions().map_entry:
        yield message
    for inner in message.nested_types:
        yield from _nested(inner)


MESSAGES = [m for file in FILES for top in file.message_types_by_name.values() for m in _nested(top)]
ENUMS: list[EnumDescriptor] = [
    *(enum for file in FILES for enum in file.enum_types_by_name.values()),
    *(enum for message in MESSAGES for enum in message.enum_types),
]
METHODS: list[MethodDescriptor] = [
    method for file in FILES for service in file.services_by_name.values() for method in service.methods
]
# An option of the contract itself: no process ever receives one.
OPTIONS = {"hauberk.common.v1.Access"}
FIELDS: list[FieldDescriptor] = [f for message in MESSAGES if message.full_name not in OPTIONS for f in message.fields]


def _id(item: Any) -> str:
    return str(item.full_name).removeprefix("hauberk.")


def _bounded_value(field: FieldDescriptor, rules: Any) -> str:
    """Empty when one value of this type has an upper bound, else what is missing."""
    if field.type == FieldDescriptor.TYPE_STRING:
        text = rules.string
        bounded = text.HasField("max_len") or text.HasField("len") or text.HasField("const") or getattr(text, "in")
        return "" if bounded else "string.max_len"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "" if rules.bytes.HasField("max_len") or rules.bytes.HasField("len") else "bytes.max_len"
    if field.type == FieldDescriptor.TYPE_ENUM:
        return "" if rules.enum.defined_only or getattr(rules.enum, "in") else "enum.defined_only"
    return ""


def _missing(field: FieldDescriptor) -> list[str]:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
        missing = [] if rules.map.HasField("max_pairs") else ["map.max_pairs"]
        return [
            m for m in [*missing, _bounded_value(key, rules.map.keys), _bounded_value(value, rules.map.values)] if m
        ]
    if field.is_repeated:
        missing = [] if rules.repeated.HasField("max_items") else ["repeated.max_items"]
        return [m for m in [*missing, _bounded_value(field, rules.repeated.items)] if m]
    return [m for m in [_bounded_value(field, rules)] if m]


def test_the_walk_sees_the_contract() -> None:
    areas = {file.package.split(".")[1] for file in FILES}
    assert areas >= {"common", "auth", "tenancy", "ratelimit", "redaction", "guardrail", "context_token", "audit"}
    assert "gateway" in areas
    assert "envoy.service.ratelimit.v3" in {file.package for file in FILES}
    assert len(METHODS) > 50
    assert len(FIELDS) > 200


@pytest.mark.parametrize("method", METHODS, ids=_id)
def test_every_method_says_who_may_call_it(method: MethodDescriptor) -> None:
    access = method.GetOptions().Extensions[access_pb2.access]
    assert access.kind != access_pb2.ACCESS_KIND_UNSPECIFIED
    assert set(access.workloads) <= KINDS
    if access.kind == access_pb2.ACCESS_KIND_OPERATOR:
        assert set(access.workloads) == {"operator"}
    if access.kind == access_pb2.ACCESS_KIND_ANONYMOUS:
        assert method.name == "GetJwks", "public keys are the only anonymous read"
    else:
        assert access.workloads


OWN_METHODS = [method for method in METHODS if method.full_name.startswith("hauberk.")]


def _http(method: MethodDescriptor) -> tuple[str, str]:
    extension: Any = annotations_pb2.http
    rule: Any = method.GetOptions().Extensions[extension]
    verb = rule.WhichOneof("pattern") or ""
    return verb, getattr(rule, verb) if verb else ""


@pytest.mark.parametrize("method", OWN_METHODS, ids=_id)
def test_every_method_has_its_place_in_http(method: MethodDescriptor) -> None:
    verb, path = _http(method)
    assert verb in {"get", "post", "put", "patch", "delete"}
    assert path.startswith("/v1/")


def test_no_two_methods_share_a_path() -> None:
    seen: dict[str, str] = {}
    for method in OWN_METHODS:
        path = " ".join(_http(method))
        assert path not in seen, f"{method.full_name} and {seen[path]} share {path}"
        seen[path] = method.full_name


@pytest.mark.parametrize("field", FIELDS, ids=_id)
def test_every_field_is_bounded(field: FieldDescriptor) -> None:
    assert _missing(field) == []


def _fields_within(message: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        yield field
        if field.message_type is not None and field.message_type.full_name not in EXEMPT:
            yield from _fields_within(field.message_type, seen)


@pytest.mark.parametrize("method", METHODS, ids=_id)
def test_no_tenant_names_its_organisation(method: MethodDescriptor) -> None:
    """The tenant comes from the credential, never from an argument, however deep in the request."""
    if method.GetOptions().Extensions[access_pb2.access].kind != access_pb2.ACCESS_KIND_TENANT:
        return
    for field in _fields_within(method.input_type, set()):
        named = {"organisation", "organization", "org", "org_id", "tenant", "tenant_id", "organisation_id"}
        assert field.name not in named, f"{method.full_name} takes {field.full_name}"


@pytest.mark.parametrize("enum", ENUMS, ids=_id)
def test_the_zero_value_says_nothing(enum: EnumDescriptor) -> None:
    if enum.full_name in ENVOYS_ZEROS:
        return
    ours = enum.full_name.startswith("hauberk.")
    assert enum.values_by_number[0].name.endswith("_UNSPECIFIED" if ours else "UNKNOWN")


def test_the_matrix_of_every_service_can_be_built() -> None:
    services = [service for file in FILES for service in file.services_by_name.values()]
    assert len(rules_of(services)) == len(METHODS)


def test_settling_and_signalling_need_their_scope_or_a_service() -> None:
    """A user's token never suffices for what only services and administrators may do."""
    for name in ("Signal", "Grant", "Reset"):
        (method,) = [m for m in METHODS if m.name == name]
        access = method.GetOptions().Extensions[access_pb2.access]
        assert access.scope or "backend" not in access.workloads, f"{name} is open to every backend token"
