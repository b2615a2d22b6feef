"""Public keys of the transaction tokens, loaded from auth in the background; readiness never waits for it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt

from services.kit.errors import KitError, Unavailable
from services.kit.logs import logger

# How long a withdrawn key may still be accepted is REFRESH, plus the time auth takes to see it go and to answer.
REFRESH = 3.0
RETRY = 0.25
# Auth alone mints, and its tokens live for a minute: once it was away for so long, whoever shows one has made it up.
KEPT = 300.0


class PeerKeys:
    """Keys by `kid`; the last good set is kept for `KEPT` seconds when auth does not answer."""

    def __init__(self, fetch: Callable[[], Awaitable[str]], tick: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._tick = tick
        self._keys: dict[str, Any] = {}
        self._texts: dict[str, str] = {}
        self._loaded = 0.0
        self._unknown = asyncio.Event()
        self.generation = 0

    def find(self, kid: str) -> Any | None:
        """The key, or None; raises Unavailable while no set was ever loaded, or only a long time ago."""
        if not self._keys or self._tick() - self._loaded > KEPT:
            raise Unavailable("auth")
        key = self._keys.get(kid)
        if key is None:  # perhaps a rotation: look again soon, but never on the request's time
            self._unknown.set()
        return key

    async def refresh(self) -> None:
        """Loads the set once; raises KitError when auth does not answer."""
        found = {key["kid"]: key for key in json.loads(await self._fetch())["keys"]}
        texts = {kid: json.dumps(key, sort_keys=True) for kid, key in found.items()}
        if texts == self._texts:
            self._loaded = self._tick()
            return
        keys = {kid: jwt.PyJWK(key).key for kid, key in found.items()}
        if not self._texts.items() <= texts.items() or not self._texts:
            self.generation += 1  # what was remembered under a key that is gone must go too; a new key changes nothing
        self._keys, self._texts, self._loaded = keys, texts, self._tick()

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
