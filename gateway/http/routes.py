"""Which method answers which path: read from the contract's http options, checked when it is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from hauberk.audit.v1 import audit_service_pb2
from hauberk.auth.v1 import auth_service_pb2
from hauberk.common.v1 import access_pb2
from hauberk.context_token.v1 import context_token_service_pb2
from hauberk.guardrail.v1 import guardrail_service_pb2
from hauberk.ratelimit.v1 import ratelimit_service_pb2
from hauberk.redaction.v1 import redaction_service_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2

from services.kit.access import ANONYMOUS, TENANT
from services.kit.errors import InvalidArgument

WORKLOAD_KIND = "backend"
"""What this edge is to the services: a backend like any other, with no right of the gateway's."""
CONTRACTS: tuple[tuple[str, Any], ...] = (
    ("auth", auth_service_pb2),
    ("tenancy", tenancy_service_pb2),
    ("ratelimit", ratelimit_service_pb2),
    ("redaction", redaction_service_pb2),
    ("guardrail", guardrail_service_pb2),
    ("context-token", context_token_service_pb2),
    ("audit", audit_service_pb2),
)
_VERBS = ("get", "put", "post", "delete", "patch")
_VARIABLE = re.compile(r"\{([a-z_.]+)\}")
# Never part of a value: another reader of the path could see two segments, or a step upwards.
_UNSAFE = re.compile(r"[\x00-\x20\x7f/\\]|^\.{1,2}$")


class RouteError(ValueError):
    """The contract cannot be served over HTTP: the process does not start."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of the contract at its path."""

    verb: str
    template: str
    pattern: re.Pattern[str]
    variables: tuple[str, ...]
    whole_body: bool
    peer: str
    method: MethodDescriptor
    anonymous: bool

    @property
    def path(self) -> str:
        """`/package.Service/Method`."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def name(self) -> str:
        """`peer.Method`, for spans."""
        return f"{self.peer}.{self.method.name}"

    @property
    def request_type(self) -> Any:
        """The class of its request."""
        return GetMessageClass(self.method.input_type)

    @property
    def response_type(self) -> Any:
        """The class of its answer."""
        return GetMessageClass(self.method.output_type)


@dataclass(frozen=True, slots=True)
class Match:
    """A route with the values in its path."""

    route: Route
    values: Mapping[str, str]


class Routes:
    """Every public method by verb and path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        # The most specific first: a literal path before one with a variable in the same place.
        self._routes = sorted(routes, key=lambda route: (len(route.variables), -len(route.template), route.template))
        seen: set[tuple[str, str]] = set()
        for route in self._routes:
            shape = (route.verb, _VARIABLE.sub("{}", route.template))
            if shape in seen:
                raise RouteError(f"{route.verb} {route.template} leads to two methods")
            seen.add(shape)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def find(self, verb: str, raw_path: str) -> Match | None:
        """The route of a path as it came, still percent-encoded. Raises InvalidArgument for an unsafe value in it."""
        for route in self._routes:
            if route.verb == verb and (found := route.pattern.fullmatch(raw_path)):
                return Match(route, {n: _value(n, raw) for n, raw in zip(route.variables, found.groups(), strict=True)})
        return None

    def verbs(self, raw_path: str) -> list[str]:
        """Verbs that this path knows."""
        found = {route.verb for route in self._routes if route.pattern.fullmatch(raw_path)}
        return sorted(found | ({"HEAD"} if "GET" in found else set()))


def public_routes() -> Routes:
    """What a client without a certificate of ours may call: methods for tenants and for anybody, where this workload is
    let in. Raises RouteError for a method that streams to its client alone: no such method is there to be shown."""
    found: list[Route] = []
    for peer, module in CONTRACTS:
        for service in module.DESCRIPTOR.services_by_name.values():
            found += _of_service(peer, service)
    return Routes(found)


def _of_service(peer: str, service: ServiceDescriptor) -> Iterator[Route]:
    for method in service.methods:
        access = method.GetOptions().Extensions[access_pb2.access]
        tenant = access.kind == TENANT and WORKLOAD_KIND in access.workloads
        if not (tenant or access.kind == ANONYMOUS) or method.client_streaming:
            continue
        if method.server_streaming:
            raise RouteError(f"{method.full_name} streams its answer, which has no form in HTTP yet")
        yield _route(peer, method, access.kind == ANONYMOUS)


def _route(peer: str, method: MethodDescriptor, anonymous: bool) -> Route:
    rule: Any = method.GetOptions().Extensions[annotations_pb2.http]  # type: ignore[index]  # typed for another runtime
    verb = rule.WhichOneof("pattern") or ""
    if verb not in _VERBS or rule.body not in ("", "*") or rule.additional_bindings:
        raise RouteError(f"{method.full_name} has no plain http option")
    template = getattr(rule, verb)
    literals = [re.escape(part) for part in _VARIABLE.split(template)[::2]]
    pattern = re.compile("([^/]+)".join(literals))
    return Route(
        verb.upper(), template, pattern, tuple(_VARIABLE.findall(template)), rule.body == "*", peer, method, anonymous
    )


def _value(name: str, raw: str) -> str:
    try:
        value = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise InvalidArgument.of(name, "UTF-8") from None
    if _UNSAFE.search(value):
        raise InvalidArgument.of(name, "one segment of a path, without separators or control characters")
    return value
