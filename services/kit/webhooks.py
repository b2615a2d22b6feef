"""Sends notices to the address that somebody named, signed in the manner of Standard Webhooks.

The address is a stranger's choice: it is resolved here, every answer must be public, and the connection goes to an
address that was checked. What comes back is not read.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from services.kit.reach import PUBLIC, Reach, Resolver, resolve

TOTAL_SECONDS = 5.0
_CONNECT_SECONDS = 2.0
_MOST_ADDRESSES = 2


@dataclass(frozen=True, slots=True)
class Target:
    """Where notices go."""

    url: str
    secret: bytes = field(repr=False)


class WebhookSender:
    """Implements `Sender` of whoever has an outbox."""

    def __init__(self, client: httpx.AsyncClient, reach: Reach = PUBLIC, resolver: Resolver = resolve) -> None:
        self._client = client
        self._reach = reach
        self._resolver = resolver

    async def send(self, target: Target, notice_id: str, sent_at: int, body: bytes) -> bool:
        """One POST; any 2xx is a yes, everything else is a no."""
        headers = {
            "content-type": "application/json",
            "webhook-id": notice_id,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": signature(target.secret, notice_id, sent_at, body),
        }
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._post(httpx.URL(target.url), headers, body)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError):
            return False

    async def _post(self, url: httpx.URL, headers: dict[str, str], body: bytes) -> bool:
        if url.scheme != "https" and not self._reach.loopback:
            return False
        addresses = await self._resolver(url.host, url.port or (443 if url.scheme == "https" else 80))
        if not addresses or not all(self._reach.allows(address) for address in addresses):
            return False
        for address in addresses[:_MOST_ADDRESSES]:
            request = self._client.build_request(
                "POST",
                url.copy_with(host=address),
                headers={**headers, "host": url.netloc.decode("ascii")},
                content=body,
                extensions={"sni_hostname": url.host},
            )
            try:
                response = await self._client.send(request, stream=True, follow_redirects=False)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            await response.aclose()
            return response.is_success
        return False


def signature(secret: bytes, notice_id: str, sent_at: int, body: bytes) -> str:
    """`v1,<base64 HMAC-SHA256 of id.timestamp.body>`."""
    signed = b".".join([notice_id.encode(), str(sent_at).encode(), body])
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode("ascii")


def acceptable(url: str, reach: Reach = PUBLIC) -> bool:
    """Whether an address may be a target at all; where its name leads is seen at each sending."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ({"https", "http"} if reach.loopback else {"https"}) or port == 0:
        return False
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.fragment:
        return False
    host = parts.hostname
    is_address = ":" in host or host.replace(".", "").isdigit()
    return reach.allows(host) if is_address else "." in host or reach.loopback


def client() -> httpx.AsyncClient:
    """One for all targets; keeps no connection, takes no proxy and no certificate from the environment."""
    return httpx.AsyncClient(
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(TOTAL_SECONDS, connect=_CONNECT_SECONDS),
        limits=httpx.Limits(max_keepalive_connections=0),
        headers={"user-agent": "hauberk"},
    )
