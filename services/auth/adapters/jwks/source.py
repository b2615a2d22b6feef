"""Where the text of a key set comes from: an address of the issuer, or a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import httpx

from services.auth.adapters.jwks.parse import MAX_BYTES

WAIT_SECONDS = 2.0
TOTAL_SECONDS = 4.0


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
    """HTTPS (plain HTTP for a loopback address that the settings allow), no redirect, bounded in time and size."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client

    async def read(self) -> bytes:
        """One GET. The answer must not be compressed: a small one could unpack to anything."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS), self._client.stream("GET", self._url) as response:
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
        except TimeoutError:
            raise SourceError("time") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError):
            raise SourceError("transport") from None

    async def version(self) -> str:
        """An address tells nothing."""
        return ""


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
    """One for all issuers; proxies and certificates of the environment are not taken over."""
    return httpx.AsyncClient(
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(WAIT_SECONDS),
        headers={"accept": "application/json", "accept-encoding": "identity"},
    )
