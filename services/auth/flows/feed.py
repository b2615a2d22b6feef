"""The feed of revocations: read from the store a few times a second, told to everybody who listens.

A heartbeat carries the number that was read in its interval. While the store cannot be read there is none, and whoever
listens knows that it knows nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import islice

from services.auth.flows.epochs import EpochBook
from services.auth.ports import FeedStore, Progress, Watchers
from services.kit.errors import Unavailable
from services.kit.logs import logger
from services.kit.revocations import KEPT, Guard, Rise

GLANCE = 0.1
BEAT = 0.25
FORGET_EVERY = 60.0
PAGE = 500
MOST = 20_000


@dataclass(frozen=True, slots=True)
class Tidings:
    """All up to `sequence` has been told; `reset`: what came before it cannot be told in full."""

    sequence: int
    rises: tuple[Rise, ...]
    reset: bool


class Feed:
    """The last minutes of the feed in memory, and who waits for more."""

    def __init__(self, store: FeedStore, most: int = MOST) -> None:
        self._store = store
        self._kept: deque[Rise] = deque()
        self._most = most
        self._head = 0
        self._floor = -1  # everything after it, up to the head, is in memory; -1 = nothing was read yet
        self._lost_at = float("-inf")
        self._over = False
        self._poked = asyncio.Event()
        self._read = asyncio.Event()

    @property
    def head(self) -> int:
        """The last number read from the store."""
        return self._head

    def poke(self) -> None:
        """There is news: read at once."""
        self._poked.set()

    async def run(self) -> None:
        """Runs for the life of the process; whoever listens is let go at its end, and finds another process."""
        try:
            await self._keep_reading()
        finally:
            self._over = True
            self._read.set()

    async def _keep_reading(self) -> None:
        forget_at, failing = 0.0, False
        while True:
            try:
                more = await self.glance()
                if time.monotonic() >= forget_at:
                    forget_at = time.monotonic() + FORGET_EVERY
                    await self._store.forget()
                failing = False
            except Unavailable:
                if not failing:
                    logger().warning("auth.revocations_not_read")
                more, failing = False, True
            if not more:
                await self._pause()

    async def glance(self) -> bool:
        """Reads once; whether there is more to read at once. Raises Unavailable."""
        self._poked.clear()
        page = await self._store.read(max(self._head, self._floor), PAGE)
        if self._floor < 0:  # what the store has forgotten is older than any token
            self._floor = max(page.forgotten, page.head - self._most)
            self._lost_at = time.monotonic() if self._floor > page.forgotten else self._lost_at
            self._head = self._floor
            return True
        if page.head < self._head:  # the store is not the one it was
            logger().error("auth.revocations_went_back")
            self._kept.clear()
            self._head, self._floor, self._lost_at = 0, -1, time.monotonic()
            return True
        self._kept.extend(page.rises)
        full = len(page.rises) == PAGE
        self._head = page.rises[-1].sequence if full else page.head
        while len(self._kept) > self._most:
            self._floor, self._lost_at = self._kept.popleft().sequence, time.monotonic()
        if not full:
            told, self._read = self._read, asyncio.Event()
            told.set()
        return full

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(GLANCE):
                await self._poked.wait()
        except TimeoutError:
            return

    async def watch(self, after: int, *, recent: bool) -> AsyncGenerator[Tidings, None]:
        """What rose after a number (0: from now), or everything of the last minutes; then heartbeats."""
        await self._read.wait()
        complete = time.monotonic() - self._lost_at > KEPT if recent else self._floor <= after <= self._head
        reset = not (complete or (after == 0 and not recent))
        cursor = self._floor if recent or reset else (after or self._head)
        while not self._over:
            if not self._floor <= cursor <= self._head:
                cursor, reset = self._floor, True
            rises = tuple(islice(self._after(cursor), PAGE))
            cursor = rises[-1].sequence if len(rises) == PAGE else self._head
            yield Tidings(cursor, rises, reset)
            reset = False
            if cursor == self._head:
                await self._news(cursor)

    def _after(self, cursor: int) -> Iterator[Rise]:
        newest_first = []
        for rise in reversed(self._kept):
            if rise.sequence <= cursor:
                break
            newest_first.append(rise)
        return reversed(newest_first)

    async def _news(self, cursor: int) -> None:
        """Returns after a reading that brought something, or with the beat, but never without a reading."""
        beat = time.monotonic() + BEAT - GLANCE
        while True:
            await self._read.wait()
            if self._over or self._head != cursor or time.monotonic() >= beat:
                return

    async def inform(self, guard: Guard) -> None:
        """Auth's own guard listens too; runs for the life of the process."""
        async for tidings in self.watch(0, recent=True):
            guard.hear(tidings.sequence, tidings.rises, reset=tidings.reset)


@dataclass(frozen=True, slots=True)
class Following:
    """The feed, who follows it, and the book that is asked when it cannot be followed."""

    feed: Feed
    store: FeedStore
    watchers: Watchers
    book: EpochBook

    async def status(self) -> tuple[int, list[Progress]]:
        """The last number of the store, and the processes: who asks per call first, then by how far behind they are.

        Raises Unavailable.
        """
        head = (await self.store.read(0, 1)).head
        return head, sorted(await self.watchers.recent(), key=lambda p: (p.following, p.sequence, -p.silent_for))
