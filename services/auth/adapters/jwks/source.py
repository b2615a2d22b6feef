"""Where the text of a key set comes from: an address of the issuer, or a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import httpx

from services.auth.adapters.jwks.parse import MAX_BYTES
from services.kit.reach import PUBLIC, Reach, Resolver, resolve

CONNECT_SECONDS = 1.0
TOTAL_SECONDS = 2.0
MOST_ADDRESSES = 4


class SourceError(Exception):
    """The text could not be had. Says which rule failed, never what was read."""


class Source(Protocol):
    """One place that a key set can be read from."""

    async def read(self) -> bytes:
        """The whole text; raises SourceError within a few seconds."""
        ...

    async def version(self) -> str:
        """Changes when it is known that the text changed; constant where that cannot be known."""
        ...


class UrlSource:
    """HTTPS (plain HTTP for a loopback address that the settings allow), no redirect, bounded in time and size.

    The name is resolved here and the connection goes to an address that was checked: what a name server says a moment
    later changes nothing. The certificate is still compared with the name.
    """

    def __init__(
        self, url: str, client: httpx.AsyncClient, reach: Reach = PUBLIC, resolver: Resolver = resolve
    ) -> None:
        self._url = httpx.URL(url)
        self._host = self._url.raw_host.decode("ascii")
        self._client = client
        self._reach = reach
        self._resolver = resolver

    async def read(self) -> bytes:
        """One GET of one checked address; the next one only when nobody answers there."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._first_answer(await self._addresses())
        except TimeoutError:
            raise SourceError("time") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError):
            raise SourceError("transport") from None

    async def version(self) -> str:
        """An address tells nothing."""
        return ""

    async def _addresses(self) -> Sequence[str]:
        """All of them must be allowed: a name that also leads inside is not to be trusted at all."""
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        found = await self._resolver(self._host, port)
        if not found or not all(self._reach.allows(address) for address in found):
            raise SourceError("address")
        return found[:MOST_ADDRESSES]

    async def _first_answer(self, addresses: Sequence[str]) -> bytes:
        for address in addresses[:-1]:
            try:
                return await self._get(address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._get(addresses[-1])

    async def _get(self, address: str) -> bytes:
        """The answer must not be compressed: a small one could unpack to anything."""
        request = self._client.build_request(
            "GET",
            self._url.copy_with(host=address),
            headers={"host": self._url.netloc.decode("ascii")},
            extensions={"sni_hostname": self._host},
        )
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            if response.status_code != httpx.codes.OK:
                raise SourceError("status")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise SourceError("encoding")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise SourceError("size")
            return bytes(body)
        finally:
            await response.aclose()


class FileSource:
    """A file that somebody else keeps up to date."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> bytes:
        """The file as it is now."""
        return await asyncio.to_thread(self._read)

    async def version(self) -> str:
        """Time of change and size."""
        try:
            status = await asyncio.to_thread(self._path.stat)
        except OSError:
            return ""
        return f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError:
            raise SourceError("file") from None


def client() -> httpx.AsyncClient:
    """One for all issuers; proxies and certificates of the environment are not taken over.

    No connection is kept: it was proven to be one name's, and another issuer may live at the same address.
    """
    return httpx.AsyncClient(
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_keepalive_connections=0),
        headers={"accept": "application/json", "accept-encoding": "identity"},
    )
