"""Who was let in a moment ago: a client that asks many times a second is looked up once in a while.

Only what was allowed in full health is kept, only for as long as a revocation may take anyway, and only under
everything that was looked at: credential, brand, origin, client, Envoy and what it asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.gateway.v1 import gateway_service_pb2 as pb

MOST = 10_000


@dataclass(frozen=True, slots=True)
class LetIn:
    """A caller that auth and tenancy accepted; `token` speaks for it before the rate limiter."""

    token: str
    principal: auth.Principal
    until: float


class Memory:
    """Keeps no credential: only a keyed digest of what was presented."""

    def __init__(self, seconds: float, most: int = MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._key = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, LetIn] = OrderedDict()
        self._asked: dict[bytes, asyncio.Future[None]] = {}

    def name(self, request: pb.AdmitRequest, *more: str) -> bytes:
        """What a later request must be the same as; none of `more` holds a zero byte."""
        digest = hashlib.blake2b(request.SerializeToString(deterministic=True), key=self._key, digest_size=32)
        digest.update("\0".join(("", *more)).encode())
        return digest.digest()

    @asynccontextmanager
    async def turn(self, name: bytes, seconds: float) -> AsyncIterator[None]:
        """A browser asks for many things at once: the first is looked up, and those that are the same wait for that, at
        most so long. What became of it `find` tells; if nothing did, each is looked up by itself."""
        if not self._seconds or not name:
            yield
            return
        asked = self._asked.get(name)
        if asked is not None:
            await asyncio.wait([asked], timeout=seconds)
            yield
            return
        asked = self._asked[name] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._asked[name]
            asked.set_result(None)

    def find(self, name: bytes, now: float) -> LetIn | None:
        """The caller, when it is not too long ago."""
        kept = self._kept.get(name)
        if kept is not None and kept.until <= now:
            del self._kept[name]
            return None
        return kept

    def keep(self, name: bytes, token: str, principal: auth.Principal, now: float) -> None:
        """`now` is when the decision was begun: it is not younger than that."""
        self._kept[name] = LetIn(token, principal, now + self._seconds)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Everybody is looked up anew."""
        self._kept.clear()
