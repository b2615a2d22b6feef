"""Watches all chains in the order of sealing, and hands what the rules find to the responder.

One process at a time. Counts are in memory; after a restart they are rebuilt from as far back as a rule can reach, and
what had been acted on is not acted on again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence

from services.audit.flows.responding import Responder, WatchedKeys
from services.audit.flows.vault import Vault
from services.audit.policy import Link, NotCanonicalError, Record, decode
from services.audit.policy.detection import Detector, Seen
from services.audit.ports import SealStore
from services.audit.response_ports import Case, Watch
from services.kit.clock import Clock
from services.kit.errors import KitError
from services.kit.logs import logger
from services.kit.telemetry.counting import count

PAGE = 500
LEASE_SECONDS = 10.0
_REST = 0.25
_TEND = 2.0
_MARK = 30.0
Sealed = tuple[int, str, Link]


class Watcher:
    """`detector` makes an empty one: counts begin anew with every turn."""

    def __init__(
        self,
        store: SealStore,
        watch: Watch,
        vault: Vault,
        responder: Responder,
        detector: Callable[[], Detector],
        clock: Clock,
    ) -> None:
        self._store, self._watch, self._vault = store, watch, vault
        self._responder, self._make, self._clock = responder, detector, clock
        self._holder = "w_" + secrets.token_hex(8)
        self._arrived = asyncio.Event()
        self._detector: Detector | None = None
        self._position = self._known = self._past = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._tend_at = 0.0

    def poke(self) -> None:
        """Something came in."""
        self._arrived.set()

    async def run(self) -> None:
        """Watches for ever."""
        while True:
            self._arrived.clear()
            busy = False
            try:
                busy = await self.once()
            except KitError as error:
                logger().warning("audit.not_watched", error_class=type(error).__name__)
                self._detector = None  # begins anew: what was found and not handled is found again
            await self._rest(busy=busy)

    async def _rest(self, *, busy: bool) -> None:
        if busy:
            return
        try:
            async with asyncio.timeout(1.0):
                await self._arrived.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_REST)

    async def once(self) -> bool:
        """One page; True when there is more at once. Raises Unavailable."""
        if not await self._have_turn():
            return False
        now = self._clock.now()
        if now >= self._tend_at:
            self._tend_at = now + _TEND
            count("hauberk.watch.turns")
            await self._responder.tend()
        page = await self._store.sealed_after(self._position, PAGE)
        for seen in await self._opened(page):
            await self._count(seen)
        if page:
            self._position = page[-1][0]
            self._known = max(self._known, self._position)
            self._mark(now)
            await self._save(now)
        return len(page) == PAGE

    async def _count(self, seen: Seen) -> None:
        assert self._detector is not None  # noqa: S101 - set with the turn
        for found in self._detector.observe(seen):
            if found.position > self._known:
                await self._responder.handle(found)

    async def _have_turn(self) -> bool:
        document = await self._watch.turn(self._holder, LEASE_SECONDS)
        if document is None:
            self._detector = None
            return False
        if self._detector is None:
            if "known" not in document:
                document = {"known": (end := await self._watch.end()), "past": end}
            self._detector = self._make()
            self._known, self._past = int(document["known"]), int(document["past"])
            self._position = self._past
            self._marks.clear()
        return True

    def _mark(self, now: float) -> None:
        """Moves the place that counts are rebuilt from: nothing before it can matter to any rule."""
        assert self._detector is not None  # noqa: S101 - set with the turn
        if not self._marks or now - self._marks[-1][0] >= _MARK:
            self._marks.append((now, self._position))
        while self._marks and self._marks[0][0] < now - self._detector.longest:
            self._past = self._marks.popleft()[1]

    async def _save(self, now: float) -> None:
        document = {"known": self._known, "past": self._past}
        case = Case("", "watch", "cursor", self._holder, document, due=now + LEASE_SECONDS)
        if not await self._watch.move(case, [self._holder]):
            self._detector = None  # another one has taken the turn

    async def _opened(self, page: Sequence[Sealed]) -> list[Seen]:
        """The events that a rule counts, with who caused them; the others stay sealed."""
        assert self._detector is not None  # noqa: S101 - set with the turn
        by_chain: dict[str, list[Sealed]] = {}
        for entry in page:
            link = entry[2]
            if link.columns.code in self._detector.codes:
                record = _decoded(link)
                if record is not None and self._detector.wanted(record):
                    by_chain.setdefault(entry[1], []).append(entry)
        seen: list[Seen] = []
        for organisation, entries in by_chain.items():
            opened = await self._vault.open(WatchedKeys(self._watch, organisation), [link for _, _, link in entries])
            seen += [
                Seen(position, organisation, link.sequence, link.hash, found.record)
                for (position, _, link), found in zip(entries, opened, strict=True)
                if found.record is not None and not found.erased  # whoever was erased is nobody to act on
            ]
        return sorted(seen, key=lambda each: each.position)


def _decoded(link: Link) -> Record | None:
    try:
        return decode(link.canonical)
    except NotCanonicalError:  # altered by hand: whoever verifies says so
        return None
