"""What Envoy is told about a request: who is asking for the product, a refusal for the client, or that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from google.rpc import code_pb2
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.envoy.auth.v3 import external_auth_pb2 as pb
from hauberk.envoy.core.v3 import base_pb2 as core

from gateway.edge.credentials import FIELDS
from gateway.edge.headers import PREFIX, Headers, without_cookie
from gateway.edge.problem import Problem
from gateway.edge.rules import EdgeRules
from services.kit.errors import Unavailable

METADATA = "envoy.filters.http.ext_authz"
"""Where Envoy keeps what this answers for later filters."""
TOKEN = "hauberk_token"  # noqa: S105 - a name
TXN = "hauberk_txn"
_PLAIN = re.compile(r"[\x21-\x7e]{0,512}")
_OVERWRITE = core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_IF_ABSENT = core.HeaderValueOption.ADD_IF_ABSENT


def identity_fields(principal: auth.Principal, txn: str) -> dict[str, str]:
    """Who is asking, for the product. Raises Unavailable for a value that a header cannot carry."""
    fields = {
        f"{PREFIX}organisation": principal.organisation,
        f"{PREFIX}user": principal.subject,
        f"{PREFIX}brand": principal.brand,
        f"{PREFIX}plan": principal.plan,
        f"{PREFIX}scopes": ",".join(sorted(principal.scopes)),
        f"{PREFIX}txn": txn,
    }
    if not all(_PLAIN.fullmatch(value) for value in fields.values()):
        raise Unavailable("gateway")
    return {name: value for name, value in fields.items() if value}


def allowed(
    fields: Mapping[str, str], headers: Headers, rules: EdgeRules, limits: Mapping[str, str], token: str, txn: str
) -> pb.CheckResponse:
    """The request goes on with these fields and without what its client claimed; `token` is for later filters only."""
    answer = pb.CheckResponse()
    answer.status.code = code_pb2.OK
    ok = answer.ok_response
    _set(ok.headers.add, fields, _OVERWRITE)
    # Envoy takes away after it has set: what was overwritten must not be named again.
    ok.headers_to_remove.extend(name for name in headers.claimed if name.lower() not in fields)
    if rules.credential == "remove":
        ok.headers_to_remove.extend(name for name in FIELDS if headers.get(name))
        _without_session(ok, headers.get("cookie"), rules.cookie)
    _set(ok.response_headers_to_add.add, {name.lower(): value for name, value in limits.items()}, _OVERWRITE)
    _set(ok.response_headers_to_add.add, rules.answer_headers, _IF_ABSENT)
    answer.dynamic_metadata[TXN] = txn
    if token:
        answer.dynamic_metadata[TOKEN] = token
    return answer


def _without_session(ok: pb.OkHttpResponse, cookie: str, name: str) -> None:
    rest = without_cookie(cookie, (name,))
    if cookie and not rest:
        ok.headers_to_remove.append("cookie")
    elif rest != cookie:
        _set(ok.headers.add, {"cookie": rest}, _OVERWRITE)


def denied(problem: Problem, rules: EdgeRules, limits: Mapping[str, str]) -> pb.CheckResponse:
    """The client gets this in place of the product's answer."""
    codes = {401: code_pb2.UNAUTHENTICATED, 429: code_pb2.RESOURCE_EXHAUSTED}
    answer = pb.CheckResponse()
    answer.status.code = codes.get(problem.status, code_pb2.PERMISSION_DENIED)
    _fill(answer.denied_response, problem, {**rules.answer_headers, **limits})
    return answer


def undecided(problem: Problem) -> pb.CheckResponse:
    """Neither allowed nor refused: Envoy counts an error, and what it does about errors is its own configuration."""
    answer = pb.CheckResponse()
    answer.status.code = code_pb2.UNAVAILABLE
    _fill(answer.error_response, problem, {})
    return answer


def _fill(response: pb.DeniedHttpResponse, problem: Problem, more: Mapping[str, str]) -> None:
    response.status.code = problem.status  # type: ignore[assignment] # every status of ours is in the enum
    response.body = problem.body
    fields = {**{name.lower(): value for name, value in more.items()}, **problem.headers}
    _set(response.headers.add, fields, _OVERWRITE)


def _set(add: object, fields: Mapping[str, str], how: core.HeaderValueOption.HeaderAppendAction.ValueType) -> None:
    for name, value in fields.items():
        option = core.HeaderValueOption(header=core.HeaderValue(key=name, value=value), append_action=how)
        add().CopyFrom(option)  # type: ignore[operator] # the `add` of a repeated field


def pairs(http: pb.AttributeContext.HttpRequest) -> Iterable[tuple[str, str | bytes]]:
    """Header fields in both forms that Envoy has."""
    yield from http.headers.items()
    for field in http.header_map.headers:
        yield field.key, field.raw_value or field.value
