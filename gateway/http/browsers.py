"""Browsers: which page may call, and with which header lines. Auth decides, by the brand that the host stands for."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.common.v1 import decision_pb2 as decision

from gateway.edge.problem import problem
from gateway.http.settings import EdgeSettings
from gateway.http.web import Request, Response
from services.kit.channels import Client

_BUDGET = 2.0
_MOST_NAMES = 64


class Browsers:
    """Header lines for a page, as ResolveOrigin says them."""

    def __init__(self, channel: Callable[[str], Any], settings: EdgeSettings) -> None:
        self._auth = auth_grpc.AuthServiceStub(channel("auth"))
        self._client = Client("auth")
        self._settings = settings

    async def lines(self, request: Request, method: str = "", names: tuple[str, ...] = ()) -> dict[str, str] | None:
        """None when the page may not call here. Without an origin there is nothing to say; at a host of no brand
        neither: then no line lets a page read the answer, and auth still looks at the origin."""
        at = self._settings.brand_of(request.host)
        if not request.origin:
            return {}
        if at is None:
            return None if method else {"vary": "Origin"}
        question = auth.ResolveOriginRequest(
            organisation=at.organisation,
            brand=at.brand,
            origin=request.origin[:512],
            method=method,
            headers=names,
            client_address=request.address,
        )
        answer: auth.ResolveOriginResponse = await self._client.call(
            self._auth.ResolveOrigin, question, at_most=_BUDGET, name="auth.ResolveOrigin"
        )
        if answer.outcome != decision.OUTCOME_ALLOW:
            return None
        return {name.lower(): value for name, value in answer.headers.items()}

    async def preflight(self, request: Request, verbs: list[str]) -> Response:
        """The answer to a browser that asks before it calls. In a refusal no line lets the call happen."""
        method = request.headers.get("access-control-request-method")
        asked = request.headers.get("access-control-request-headers")
        names = tuple(name for part in asked.split(",") if (name := part.strip()))
        plain = method.isalpha() and method.isupper() and len(method) <= 16
        if not plain or method not in verbs or len(names) > _MOST_NAMES or any(len(name) > 64 for name in names):
            return refused()
        lines = await self.lines(request, method, names)
        return refused() if lines is None else Response(HTTPStatus.NO_CONTENT.value, b"", lines)


def refused() -> Response:
    """One answer for every page that may not call."""
    said = problem(
        HTTPStatus.FORBIDDEN, "origin_not_allowed", "This page may not call here.", headers={"vary": "Origin"}
    )
    return Response.of(said)
