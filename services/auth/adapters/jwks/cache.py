"""The keys of one issuer in memory.

A key that is cached is returned without waiting for anything. An unknown `kid` may cause one fetch per cool-down,
counted on attempts: neither noise nor an issuer in trouble is asked more often. A set that cannot be renewed is used
for a day, also across a restart; when even whether a key exists cannot be said, the answer is Unavailable, not a
refusal.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from services.auth.adapters.jwks.kept import KeptSet, KeptText
from services.auth.adapters.jwks.parse import KeySetError, parse, parse_in_turns
from services.auth.adapters.jwks.source import Source, SourceError
from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.logs import logger


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Seconds, and how many unknown names are remembered."""

    fresh: float = 300.0
    stale: float = 86_400.0
    cooldown: float = 30.0
    negative: float = 300.0
    negative_entries: int = 1024
    poll: float = 1.0


class JwksCache:
    """`services.auth.ports.IssuerKeys` over a source; `kept` is where the last good set outlives the process."""

    def __init__(
        self,
        issuer: str,
        source: Source,
        algorithms: frozenset[str],
        clock: Clock,
        policy: CachePolicy | None = None,
        kept: KeptSet | None = None,
    ) -> None:
        self._issuer = issuer
        self._source = source
        self._algorithms = algorithms
        self._clock = clock
        self._policy = policy or CachePolicy()
        self._kept = kept
        self._keys: dict[str, Any] = {}
        self._digest = b""
        self._generation = 0
        self._loaded_at = 0.0
        self._attempted_at = float("-inf")
        self._failed = False
        self._version = ""
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._refresh: asyncio.Task[None] | None = None
        self.attempts = 0

    def generation(self) -> int | None:
        """See the port."""
        return self._generation if self._usable(self._clock.now()) else None

    async def find(self, kid: str) -> Any | None:
        """See the port."""
        now = self._clock.now()
        key = self._current(kid, now)
        if key is not None:
            return key
        if self._keys and self._absent.get(kid, 0.0) > now:
            return None
        asked = self._refresh is None and self._rested(now)
        if asked or self._refresh is not None:
            # Shielded: whoever gives up waiting does not take the fetch away from the others.
            await asyncio.shield(self._start())
            now = self._clock.now()
            key = self._current(kid, now)
            if key is not None:
                return key
        if self._failed or not self._usable(now):
            raise Unavailable("issuer_keys", retry_after=self._policy.cooldown)
        if asked:  # a set fetched before the question does not tell that the key is absent now
            self._note_absent(kid, now)
        return None

    async def load(self) -> bool:
        """Loads now, whatever was tried before; True when a usable set is in memory."""
        await asyncio.shield(self._start())
        return self._usable(self._clock.now())

    async def restore(self) -> bool:
        """Takes over the set that the process before this one kept, with the age it has; True when it is usable."""
        kept = await self._kept.load() if self._kept else None
        if kept is None or not 0 <= self._clock.now() - kept.fetched_at < self._policy.stale:
            return False
        try:
            self._take(kept.text, parse(kept.text, self._algorithms), kept.fetched_at)
        except KeySetError:
            return False
        return True

    async def keep_fresh(self) -> None:
        """Runs for the life of the process: renews at 80 % of the fresh time, and when a file changed."""
        while True:
            now = self._clock.now()
            due = not self._loaded_at <= now < self._loaded_at + 0.8 * self._policy.fresh
            version = await self._source.version()
            if (due and self._rested(now)) or version != self._version:
                await asyncio.shield(self._start())
            await asyncio.sleep(self._policy.poll)

    def _rested(self, now: float) -> bool:
        """Also when the clock was set back to before the last attempt: waiting for it could take for ever."""
        return not self._attempted_at <= now < self._attempted_at + self._policy.cooldown

    def _current(self, kid: str, now: float) -> Any | None:
        return self._keys.get(kid) if self._usable(now) else None

    def _usable(self, now: float) -> bool:
        return bool(self._keys) and now < self._loaded_at + self._policy.stale

    def _note_absent(self, kid: str, now: float) -> None:
        self._absent[kid] = now + self._policy.negative
        self._absent.move_to_end(kid)
        if len(self._absent) > self._policy.negative_entries:
            self._absent.popitem(last=False)

    def _start(self) -> asyncio.Task[None]:
        """The one fetch under way, or a new one."""
        if self._refresh is None:
            self._attempted_at = self._clock.now()
            self.attempts += 1
            self._refresh = asyncio.get_running_loop().create_task(self._fetch())
        return self._refresh

    async def _fetch(self) -> None:
        try:
            self._version = await self._source.version()
            text = await self._source.read()
            keys = await parse_in_turns(text, self._algorithms)
            self._failed = False
            self._take(text, keys, self._clock.now())
            await self._keep(KeptText(text, self._loaded_at))
        except (SourceError, KeySetError) as error:
            self._failed = True
            logger().warning("auth.jwks_not_loaded", issuer=self._issuer, rule=str(error).replace(" ", "_"))
        finally:
            self._refresh = None

    def _take(self, text: bytes, keys: dict[str, Any], fetched_at: float) -> None:
        """One step: nobody ever sees half of a set. Its generation rises when the set is another one than before."""
        digest = hashlib.sha256(text).digest()
        if digest != self._digest:
            self._digest = digest
            self._generation += 1
        self._keys = keys
        self._loaded_at = fetched_at
        for kid in keys:
            self._absent.pop(kid, None)

    async def _keep(self, kept: KeptText) -> None:
        if self._kept is None:
            return
        try:
            await self._kept.save(kept)
        except OSError:  # the set in memory is good; only a restart without the issuer would miss it
            logger().warning("auth.jwks_not_kept", issuer=self._issuer)
