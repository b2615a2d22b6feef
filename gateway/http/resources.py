"""What anybody may read: public keys, the description of the interface, where AuthZEN is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.context_token.v1 import context_token_service_pb2 as context_token
from hauberk.context_token.v1 import context_token_service_pb2_grpc as context_token_grpc

from gateway.http import decision_point
from gateway.http.web import Request, Response
from services.kit.channels import Client

OPENAPI = Path(__file__).with_name("openapi.json")
JWKS = "/.well-known/jwks.json"
CONTEXT_JWKS = "/.well-known/context-jwks.json"
OPENAPI_PATH = "/openapi.json"
LIVE = "/livez"
# New keys are published long before they sign; a minute is how long a withdrawn one may still be believed.
_KEYS_SECONDS = 60
_DOCUMENT_SECONDS = 300
_BUDGET = 2.0

Resource = Callable[[Request], Awaitable[Response]]


class Resources:
    """Documents by path; all of them are read with GET and HEAD."""

    def __init__(self, channel: Callable[[str], Any], base_url: Callable[[], str]) -> None:
        self._base_url = base_url
        auth_stub = auth_grpc.AuthServiceStub(channel("auth"))
        context_stub = context_token_grpc.ContextTokenServiceStub(channel("context-token"))
        self._openapi = OPENAPI.read_bytes()
        self.by_path: dict[str, Resource] = {
            JWKS: partial(_keys, "auth", auth_stub.GetJwks, auth.GetJwksRequest()),
            CONTEXT_JWKS: partial(_keys, "context-token", context_stub.GetJwks, context_token.GetJwksRequest()),
            OPENAPI_PATH: self._described,
            decision_point.CONFIGURATION: self._configuration,
            LIVE: _alive,
        }

    async def _described(self, request: Request) -> Response:
        return _cached(request, self._openapi, _DOCUMENT_SECONDS)

    async def _configuration(self, request: Request) -> Response:
        # From settings, never from the Host field: whoever asks must not choose where others send their questions.
        found = decision_point.configuration(self._base_url())
        return _cached(request, json.dumps(found).encode(), _DOCUMENT_SECONDS)


async def _alive(_: Request) -> Response:
    return Response.json(b'{"status":"alive"}')


async def _keys(peer: str, method: Any, question: Any, request: Request) -> Response:
    answer = await Client(peer).call(method, question, at_most=_BUDGET, name=f"{peer}.GetJwks")
    return _cached(request, answer.jwks.encode(), _KEYS_SECONDS)


def _cached(request: Request, body: bytes, seconds: int) -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"cache-control": f"public, max-age={seconds}", "etag": tag}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match").split(",")}
    if tag in known or "*" in known:
        return Response(HTTPStatus.NOT_MODIFIED.value, b"", headers)
    return Response.json(body, headers)
