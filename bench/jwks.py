"""`jwks`: a valid token of an issuer whose key set endpoint misbehaves, while made-up key names come in.

One row for each manner of misbehaving: `p50_ms` and `p99_ms` are how long after its appointed time a verifier had a
cached key in hand, with all that kept the event loop busy (timers alone are up to 1 ms late); `over_5_ms` counts longer
ones. `control` is the same without names and fetches: what the machine adds by itself. `fetches` never exceed
`allowed`, which is what the cool-down permits; `refused` counts valid tokens that were not accepted. Times of the cache
are shortened (cool-down 200 ms, not 30 s): more fetches in a second than otherwise in minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bench.rows import Row, row
from bench.unruly_issuer import MANNERS
from services.auth.adapters.jwks import source
from services.auth.adapters.jwks.cache import CachePolicy, JwksCache
from services.auth.adapters.jwks.source import UrlSource, client
from services.kit import logs
from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.kit.reach import Reach

POLICY = CachePolicy(fresh=1.0, stale=3600.0, cooldown=0.2, poll=0.02)
KNOWN = "k1"
NAMES_A_TURN = 20
CONTROL = "control"
PAUSE_SECONDS = 0.0005
LATE_SECONDS = 0.005


@dataclass
class Told:
    """What was seen while the endpoint had one manner."""

    manner: str
    waited: list[float] = field(default_factory=list)
    names: int = 0
    refused: int = 0
    fetches: int = 0
    allowed: int = 0

    def row(self) -> Row:
        """As every benchmark reports."""
        found = row(self.manner.replace("_", " "), self.waited, names=self.names, fetches=self.fetches)
        late = sum(1 for seconds in self.waited if seconds > LATE_SECONDS)
        more = {"allowed": self.allowed, "refused": self.refused, "over_5_ms": late}
        return {**found, **more, "max_ms": round(max(self.waited) * 1000, 3)}


async def run(small: bool) -> list[Row]:
    """One row for each manner."""
    logs.setup("bench", "ERROR")  # each failed fetch is a warning
    return [told.row() for told in await chaos(200 if small else 2000)]


async def chaos(turns: int) -> list[Told]:
    """So many turns of a valid token and made-up names in every manner, with one cache that lives through all of it."""
    key = rsa.generate_private_key(65537, 2048)
    token = jwt.encode({"sub": "ada"}, key, "RS256", headers={"kid": KNOWN})
    async with _issuer(key) as issuer, client() as fetcher:
        cache = JwksCache(
            "bench", UrlSource(issuer.url, fetcher, Reach(loopback=True)), frozenset({"RS256"}), SystemClock(), POLICY
        )
        if not await cache.load():
            raise RuntimeError("the endpoint did not answer in good manner")
        control = Told(CONTROL)
        await _verifier(control, cache, token, turns, 0.0)
        keeper = asyncio.ensure_future(cache.keep_fresh())
        try:
            return [control, *[await _manner(manner, cache, issuer, token, turns) for manner in MANNERS]]
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


async def _manner(manner: str, cache: JwksCache, issuer: _Issuer, token: str, turns: int) -> Told:
    told = Told(manner)
    before, started = await issuer.behave(manner), time.monotonic()
    noise = asyncio.ensure_future(_noise(cache, told))
    try:
        await _verifier(told, cache, token, turns, POLICY.cooldown * 2.5)  # long enough for several attempts
    finally:
        noise.cancel()
        await asyncio.gather(noise, return_exceptions=True)
    told.fetches = await issuer.behave("good") - before
    told.allowed = 1 + int((time.monotonic() - started) / POLICY.cooldown)
    return told


async def _verifier(told: Told, cache: JwksCache, token: str, turns: int, least: float) -> None:
    started = time.monotonic()
    while len(told.waited) < turns or time.monotonic() - started < least:
        due = time.perf_counter() + PAUSE_SECONDS
        await asyncio.sleep(PAUSE_SECONDS)
        key = await _found(cache, KNOWN)
        told.waited.append(time.perf_counter() - due)
        told.refused += not _good(token, key)


async def _noise(cache: JwksCache, told: Told) -> None:
    """Made-up names, many at a time: none of them may wait for long, and none may be found."""
    while True:
        names = [f"made-up-{told.manner}-{told.names + number}" for number in range(NAMES_A_TURN)]
        told.names += NAMES_A_TURN
        if any(key is not None for key in await asyncio.gather(*(_found(cache, name) for name in names))):
            raise RuntimeError("a key was found under a name that nobody gave it")
        await asyncio.sleep(0.001)


async def _found(cache: JwksCache, kid: str) -> Any | None:
    with contextlib.suppress(Unavailable):
        return await cache.find(kid)
    return None


def _good(token: str, key: Any) -> bool:
    try:
        return key is not None and bool(jwt.decode(token, key, algorithms=["RS256"]))
    except jwt.PyJWTError:
        return False


class _Issuer:
    """The misbehaving endpoint, in its own process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}/keys"

    async def behave(self, manner: str) -> int:
        """From now on in this manner; how often it was asked before."""
        return await _line(self._process, manner)


async def _line(process: asyncio.subprocess.Process, text: str) -> int:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(text.encode() + b"\n")
    await process.stdin.drain()
    return int(await asyncio.wait_for(process.stdout.readline(), 20))


@asynccontextmanager
async def _issuer(key: rsa.RSAPrivateKey) -> AsyncIterator[_Issuer]:
    entry = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": KNOWN, "use": "sig"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.unruly_issuer", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    total = source.TOTAL_SECONDS
    source.TOTAL_SECONDS = 0.5  # as the other times: in proportion
    try:
        yield _Issuer(process, await _line(process, json.dumps(entry)))
    finally:
        source.TOTAL_SECONDS = total
        if process.stdin:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
            await process.wait()
