"""Public keys of the transaction tokens, loaded from auth in the background; readiness never waits for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import jwt

from services.kit.errors import KitError, Unavailable
from services.kit.logs import logger

REFRESH = 60.0
RETRY = 0.25


class PeerKeys:
    """Keys by `kid`; the last good set is kept when auth does not answer."""

    def __init__(self, fetch: Callable[[], Awaitable[str]]) -> None:
        self._fetch = fetch
        self._keys: dict[str, Any] = {}
        self._unknown = asyncio.Event()
        self.generation = 0

    def find(self, kid: str) -> Any | None:
        """The key, or None; raises Unavailable while no set was ever loaded."""
        if not self._keys:
            raise Unavailable("auth")
        key = self._keys.get(kid)
        if key is None:  # perhaps a rotation: look again soon, but never on the request's time
            self._unknown.set()
        return key

    async def refresh(self) -> None:
        """Loads the set once; raises KitError when auth does not answer."""
        parsed = {key["kid"]: jwt.PyJWK(key).key for key in json.loads(await self._fetch())["keys"]}
        if parsed.keys() != self._keys.keys():
            self.generation += 1
        self._keys = parsed

    async def keep_fresh(self) -> None:
        """Runs for the life of the process."""
        while True:
            try:
                await self.refresh()
                wait = REFRESH
            except (KitError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
                logger().warning("jwks.refresh_failed", error_class=type(error).__name__)
                wait = REFRESH if self._keys else RETRY
            self._unknown.clear()
            await asyncio.sleep(min(wait, 1.0))  # bounds what unknown kids can cause
            try:
                async with asyncio.timeout(max(0.0, wait - 1.0)):
                    await self._unknown.wait()
            except TimeoutError:
                continue
