"""A request and an answer over HTTP, apart from any server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import grpc

from gateway.edge.headers import Headers
from gateway.edge.problem import Problem, problem
from gateway.http.transcode import json_path
from services.kit.errors import KitError

JSON_TYPE = "application/json"
_MOST_PARAMETERS = 200
_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}
# On every answer; what a brand says for browsers comes on top.
ALWAYS: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What came in; `raw_path` still percent-encoded, `body` read on demand and once."""

    method: str
    raw_path: str
    query_string: str
    headers: Headers
    host: str
    address: str
    body: Callable[[], Awaitable[bytes]]

    @property
    def origin(self) -> str:
        """The page that a browser asks for; empty for anybody else."""
        return self.headers.get("origin")

    def query(self) -> Sequence[tuple[str, str]]:
        """Parameters in order; raises HttpError when they cannot be read."""
        try:
            return parse_qsl(
                self.query_string,
                keep_blank_values=True,
                strict_parsing=bool(self.query_string),
                errors="strict",
                max_num_fields=_MOST_PARAMETERS,
            )
        except ValueError:
            raise HttpError(HTTPStatus.BAD_REQUEST, "invalid_query", "the query cannot be read") from None


@dataclass(frozen=True, slots=True)
class Response:
    """What goes out."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
        """200 with JSON."""
        return cls(HTTPStatus.OK.value, body, {"content-type": JSON_TYPE, **(headers or {})})

    @classmethod
    def of(cls, said: Problem) -> Response:
        """Problem details."""
        return cls(said.status, said.body.encode(), said.headers)


class HttpError(Exception):
    """A refusal that HTTP itself is the reason of."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.problem = problem(status, code, detail, headers=headers, more=more)


def of_error(error: KitError) -> Problem:
    """Problem details of what a service could not decide: its words are public already."""
    status = _STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    if status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    more: dict[str, Any] = {}
    if error.violations:
        more["violations"] = [{"field": json_path(one.field), "rule": one.rule} for one in error.violations]
    return problem(status, error.reason.lower(), error.message, headers=headers, more=more)
