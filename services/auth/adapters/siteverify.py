"""Turnstile and hCaptcha: one POST of a form, one JSON object back, bounded in time and size, no redirect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from services.auth.policy.challenges import Answer, Provider
from services.auth.ports.edge import ProviderDownError, Token
from services.kit.telemetry import span

MAX_BYTES = 16 * 1024
_MAX_CODES = 16


class Siteverify:
    """`services.auth.ports.edge.ChallengeProvider` over the addresses of the providers."""

    def __init__(self, addresses: Mapping[Provider, str], client: httpx.AsyncClient) -> None:
        self._addresses = dict(addresses)
        self._client = client

    async def verify(self, token: Token, seconds: float) -> Answer:
        """One attempt. A refusal with a status of 4xx is an answer when it has the form of one."""
        try:
            async with asyncio.timeout(seconds):
                status, body = await self._post(token)
        except TimeoutError:
            raise ProviderDownError("time") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError):
            raise ProviderDownError("transport") from None
        if status != httpx.codes.OK and (not 400 <= status < 500 or status == httpx.codes.TOO_MANY_REQUESTS):
            raise ProviderDownError("status")
        answer = _answer(body)
        if status != httpx.codes.OK and (answer.success or not answer.codes):
            raise ProviderDownError("status")
        return answer

    async def _post(self, token: Token) -> tuple[int, bytes]:
        address, form = self._addresses[token.provider], _form(token)
        with span("http auth siteverify"):
            async with self._client.stream("POST", address, data=form) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise ProviderDownError("encoding")
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise ProviderDownError("size")
                return response.status_code, bytes(body)


def client() -> httpx.AsyncClient:
    """One for all providers; proxies and certificates of the environment are not taken over."""
    return httpx.AsyncClient(
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(None),  # every attempt has a time of its own, for all of it
        limits=httpx.Limits(max_connections=64),
        headers={"accept": "application/json", "accept-encoding": "identity"},
    )


def _form(token: Token) -> dict[str, str]:
    form = {"secret": token.secret, "response": token.text}
    if token.remote_address:
        form["remoteip"] = token.remote_address
    if token.provider is Provider.TURNSTILE:
        form["idempotency_key"] = token.idempotency_key
    elif token.site_key:
        form["sitekey"] = token.site_key
    return form


def _answer(body: bytes) -> Answer:
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise ProviderDownError("form") from None
    success = found.get("success") if isinstance(found, dict) else None
    if not isinstance(success, bool):
        raise ProviderDownError("form")
    codes = found.get("error-codes") or []
    if not isinstance(codes, list) or len(codes) > _MAX_CODES or not all(isinstance(code, str) for code in codes):
        raise ProviderDownError("form")
    texts = {name: found.get(name) for name in ("hostname", "action", "cdata", "challenge_ts")}
    said = {name: value if isinstance(value, str) else "" for name, value in texts.items()}
    return Answer(success, tuple(codes), said["hostname"], said["action"], said["cdata"], said["challenge_ts"])
