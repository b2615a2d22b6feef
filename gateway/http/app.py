"""The HTTP edge as an ASGI application: bounds, then address, origin, credential, and the one method asked for."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

from opentelemetry import trace

from gateway.edge import headers as fields
from gateway.edge.openai import strict
from gateway.http import authzen, decision_point
from gateway.http.browsers import Browsers, refused
from gateway.http.decision_point import DecisionPoint
from gateway.http.entrance import Entrance, Refused
from gateway.http.peers import Peers
from gateway.http.resources import LIVE, Resources
from gateway.http.routes import Match, Routes
from gateway.http.settings import EdgeSettings
from gateway.http.transcode import answer_of, request_of
from gateway.http.web import ALWAYS, JSON_TYPE, HttpError, Request, Response, of_error
from services.kit.errors import INTERNAL, public
from services.kit.logs import logger
from services.kit.telemetry import Attr
from services.kit.telemetry.attributes import put
from services.kit.telemetry.tracing import serving

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_LENGTH = re.compile(r"[0-9]{1,12}")
_NOTHING_HERE = "Nothing is served here."


class GoneError(Exception):
    """The client has left."""


class EdgeApp:
    """Serves HTTP over channels to the services; holds no rule of its own."""

    def __init__(
        self, settings: EdgeSettings, routes: Routes, channel: Callable[[str], Any], tracer: trace.Tracer
    ) -> None:
        self._settings = settings
        self._routes = routes
        self._tracer = tracer
        self._peers = Peers(channel)
        self._entrance = Entrance(channel, settings)
        self._browsers = Browsers(channel, settings)
        self._resources = Resources(channel, lambda: self.base_url)
        words = authzen.Words(settings.authzen_types, settings.authzen_actions)
        point = DecisionPoint(channel, words)
        self._evaluations = {
            decision_point.EVALUATION: point.evaluation,
            decision_point.EVALUATIONS: point.evaluations,
        }
        self.base_url = settings.public_url or f"https://{settings.listen}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        try:
            async with asyncio.timeout(self._settings.deadline_limit):
                response = await self._answered(scope, receive)
        except GoneError:
            return
        except TimeoutError:
            response = _of(TimeoutError())
        await _write(send, response, with_body=scope["method"] != "HEAD")

    async def _answered(self, scope: Scope, receive: Receive) -> Response:
        lines: dict[str, str] = {}
        try:
            request = self._request(scope, receive)
            lines = _echo(request)
            response = await self._served(request, lines)
        except GoneError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of this edge: what is not known says nothing
            response = _of(error)
        return Response(response.status, response.body, {**ALWAYS, **response.headers, **lines})

    async def _served(self, request: Request, lines: dict[str, str]) -> Response:
        verbs = self._verbs(request.raw_path)
        if not verbs:
            raise HttpError(HTTPStatus.NOT_FOUND, "no_such_path", _NOTHING_HERE)
        if request.raw_path == LIVE:
            return await self._resources.by_path[LIVE](request)
        carrier = {name: value for name in ("traceparent", "tracestate") if (value := request.headers.get(name))}
        with serving(self._tracer, carrier, "http", {}):
            return await self._guarded(request, verbs, lines)

    async def _guarded(self, request: Request, verbs: list[str], lines: dict[str, str]) -> Response:
        await self._entrance.knock(request)
        allow = {"allow": ", ".join([*verbs, "OPTIONS"])}
        if request.method == "OPTIONS":
            if request.origin and request.headers.get("access-control-request-method"):
                return await self._browsers.preflight(request, verbs)
            return Response(HTTPStatus.NO_CONTENT.value, b"", allow)
        said = await self._browsers.lines(request)
        if said is None:
            return refused()
        lines.update(said)
        if request.method not in verbs:
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "Not with this method.", headers=allow)
        return await self._found(request)

    async def _found(self, request: Request) -> Response:
        verb = "GET" if request.method == "HEAD" else request.method
        resource = self._resources.by_path.get(request.raw_path)
        if resource is not None:
            return await resource(request)
        evaluate = self._evaluations.get(request.raw_path)
        if evaluate is not None:
            guest = await self._entrance.enter(request)
            answer = await evaluate(guest, await request.body(), request.headers.get("content-type"))
            return Response.json(json.dumps(answer, ensure_ascii=False).encode())
        match = self._routes.find(verb, request.raw_path)
        if match is None:
            raise HttpError(HTTPStatus.NOT_FOUND, "no_such_path", _NOTHING_HERE)
        return await self._call(request, match)

    async def _call(self, request: Request, match: Match) -> Response:
        put(trace.get_current_span(), {Attr.RPC_METHOD: match.route.path.lstrip("/")})
        token = "" if match.route.anonymous else (await self._entrance.enter(request)).token
        body = _json_body(await request.body(), request.headers.get("content-type"))
        message = request_of(match, request.query(), body)
        answer = await self._peers.ask(match.route, message, token, self._settings.deadline_limit)
        return Response.json(answer_of(answer))

    def _verbs(self, raw_path: str) -> list[str]:
        if raw_path in self._resources.by_path:
            return ["GET", "HEAD"]
        return ["POST"] if raw_path in self._evaluations else self._routes.verbs(raw_path)

    def _request(self, scope: Scope, receive: Receive) -> Request:
        found = fields.read((name.decode("latin-1"), value) for name, value in scope["headers"])
        if found.get("content-length") and found.get("transfer-encoding"):
            raise _ambiguous()  # where does this request end? Whoever stands before us may see another end
        length = found.get("content-length")
        if length and not _LENGTH.fullmatch(length):
            raise _ambiguous()
        too_long = int(length or 0) > self._settings.body_limit

        async def body() -> bytes:
            if too_long:
                raise _too_large()
            return await _read_body(receive, self._settings.body_limit, self._settings.body_time)

        return Request(
            scope["method"],
            (scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            found,
            fields.host_name(found.get("host")),
            self._settings.client_address((scope.get("client") or ("",))[0], found.get("x-forwarded-for")),
            body,
        )


def _of(error: Exception) -> Response:
    if isinstance(error, Refused | HttpError):
        return Response.of(error.problem)
    if isinstance(error, fields.HeadersError):
        return Response.of(_ambiguous().problem)
    known = public(error)
    if known is INTERNAL:
        logger().error("http.internal_error", error_class=type(error).__name__)
    return Response.of(of_error(known))


def _ambiguous() -> HttpError:
    return HttpError(HTTPStatus.BAD_REQUEST, "ambiguous_request", "This request can be read in more than one way.")


def _too_large() -> HttpError:
    return HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body is too large.")


def _echo(request: Request) -> dict[str, str]:
    name = request.headers.get("x-request-id")
    return {"x-request-id": name} if _REQUEST_ID.fullmatch(name) else {}


def _json_body(body: bytes, content_type: str) -> strict.Json | None:
    """None without a body."""
    if not body:
        return None
    if content_type.partition(";")[0].strip().lower() != JSON_TYPE:
        detail = f"The body is not {JSON_TYPE}."
        raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    try:
        return strict.read(body)
    except strict.Refused as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, error.code, error.message) from None


async def _read_body(receive: Receive, limit: int, seconds: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise GoneError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise _too_large()
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise HttpError(HTTPStatus.REQUEST_TIMEOUT, "body_timeout", "The body did not arrive in time.") from None


async def _write(send: Send, response: Response, *, with_body: bool) -> None:
    pairs: Iterable[tuple[str, str]] = response.headers.items()
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    if response.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        lines.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": lines})
    await send({"type": "http.response.body", "body": response.body if with_body else b""})
