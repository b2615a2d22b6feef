"""Protects an ASGI application (FastAPI, Starlette, any) in one line: `app.add_middleware(Protected, guard=guard)`.

Every request needs a credential that auth accepts. Refusals look alike whatever their cause; nothing of the application
runs before. The caller is in `scope["hauberk"]` and `current_caller()`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth

from hauberk_client import tracing
from hauberk_client.calls import Undecided
from hauberk_client.credentials import bearer
from hauberk_client.guard import Guard, NotAuthenticated, NotPermitted, let_in

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Resource = Callable[[Scope], tuple[str, str]]

_TITLES = {401: "A valid credential is required", 403: "Not permitted", 503: "Could not be decided"}
# What a client of a web socket is told once it has no HTTP answer any more: "policy violation".
_CLOSED = 1008


def headers_named(scope: Scope, name: bytes) -> list[str]:
    """Every value of a header."""
    return [value.decode("latin-1") for key, value in scope.get("headers", ()) if key.lower() == name]


def presented(scope: Scope) -> auth.Credential | None:
    """The one bearer token of a request; None when there is none, or more than one."""
    values = headers_named(scope, b"authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return bearer(token.strip()) if scheme.lower() == "bearer" else None


def peer(scope: Scope) -> str:
    """The address of the client as the server saw it: behind a proxy, the proxy's."""
    client = scope.get("client")
    return str(client[0]) if client else ""


class Protected:
    """The middleware. What has no proven caller, or may not do `action` on `resource(scope)`, goes no further."""

    def __init__(
        self,
        app: App,
        guard: Guard,
        *,
        action: str = "",
        resource: Resource | None = None,
        public: Collection[str] = (),
        credential: Callable[[Scope], auth.Credential | None] = presented,
        client_address: Callable[[Scope], str] = peer,
    ) -> None:
        """`public`: exact paths that need nothing, such as a health check. Raises ValueError for half a question."""
        if bool(action) != (resource is not None):
            raise ValueError("action and resource go together")
        self._app = app
        self._guard = guard
        self._action = action
        self._resource = resource
        self._public = frozenset(public)
        self._credential = credential
        self._client_address = client_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets in whom the guard lets in."""
        kind = scope["type"]
        if kind == "lifespan" or (kind == "http" and scope.get("path") in self._public):
            await self._app(scope, receive, send)
            return
        if kind not in ("http", "websocket"):
            raise ValueError(f"unknown kind of connection: {kind}")
        incoming = headers_named(scope, b"traceparent")
        with tracing.trace(incoming[0] if len(incoming) == 1 else ""):
            try:
                caller = await self._guard.authenticate(
                    self._credential(scope), client_address=self._client_address(scope)
                )
                if self._resource is not None:
                    await self._guard.authorize(caller, self._action, self._resource(scope))
            except NotAuthenticated:
                await _refuse(kind, 401, receive, send)
                return
            except NotPermitted:
                await _refuse(kind, 403, receive, send)
                return
            except Undecided as error:
                await _refuse(kind, 503, receive, send, error.retry_after)
                return
            with let_in(caller):
                await self._app({**scope, "hauberk": caller}, receive, send)


async def _refuse(kind: str, status: int, receive: Receive, send: Send, retry_after: float | None = None) -> None:
    """A problem document (RFC 9457); a web socket is closed before it was opened."""
    if kind == "websocket":
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": _CLOSED, "reason": ""})
        return
    body = json.dumps({"type": "about:blank", "title": _TITLES[status], "status": status}).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 503:
        headers.append((b"retry-after", str(max(1, round(retry_after or 1))).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
