"""Writes the ledger down beside the requests, and puts budgets back when their store has lost them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.postgres import Proven
from services.ratelimit.ports.ledger import Book, Stream

_BATCH = 500
_GATHER_SECONDS = 0.1  # entries of that time are one transaction
_SWEEP_SECONDS = 5.0
_DEAD_MS = 5_000  # a consumer that has not finished a batch after this long is gone
_PAUSE_SECONDS = 0.5
_MOST_TOUCHED = 10_000
_ATTEMPTS = 20
_log = logging.getLogger(__name__)


class LedgerWriter:
    """Brings entries from the streams into the book, at least once; the book knows what it has.

    `touched` says which organisations have something new, at no cost; a sweep finds what other processes left.
    """

    def __init__(self, stream: Stream, book: Book) -> None:
        self._stream = stream
        self._book = book
        self._touched: set[str] = set()
        self._news = asyncio.Event()
        self._failing = False

    def touched(self, organisation: str) -> None:
        """This organisation's stream may have entries."""
        if len(self._touched) < _MOST_TOUCHED:  # beyond that, the sweep finds them
            self._touched.add(organisation)
        self._news.set()

    async def run(self) -> None:
        """Writes until cancelled; an outage of either store is waited for."""
        due = 0.0
        loop = asyncio.get_running_loop()
        while not _ending():
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - loop.time())):
                    await self._news.wait()
            try:
                if loop.time() >= due:
                    self._touched.update(await self._stream.organisations())
                    due = loop.time() + _SWEEP_SECONDS
                self._news.clear()
                await asyncio.sleep(_GATHER_SECONDS)
                await self._write_touched()
                self._say(failing=False)
            except Unavailable:
                self._say(failing=True)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def drain(self, organisation: str, idle_ms: int = _DEAD_MS) -> int:
        """Writes down everything of one organisation; returns how many entries."""
        written = 0
        while entries := await self._stream.drain(organisation, _BATCH, idle_ms):
            await self._book.append(organisation, entries)
            await self._stream.forget(organisation, [entry.entry_id for entry in entries])
            written += len(entries)
            if len(entries) < _BATCH:
                break
        return written

    async def watch(self) -> None:
        """Until cancelled: a server that was started anew, or took over, may know less than the ledger. Every budget
        is then checked before it is used again."""
        while not _ending():
            with suppress(Unavailable):
                await self._check_servers()
            await asyncio.sleep(1.0)

    async def _check_servers(self) -> None:
        runs, before = await self._stream.servers()
        if runs == before:
            return
        for organisation in await self._stream.organisations():
            await self._stream.doubt(organisation)
        await self._stream.remember_servers(runs)
        if before:
            _log.warning("the store of the limits was started anew: budgets are checked against the ledger")

    async def _write_touched(self) -> None:
        while self._touched:
            organisation = self._touched.pop()
            try:
                await self.drain(organisation)
            except Unavailable:
                self._touched.add(organisation)
                raise

    def _say(self, *, failing: bool) -> None:
        if failing != self._failing:
            self._failing = failing
            _log.warning("the ledger %s", "cannot be written: entries wait" if failing else "is written again")


def _ending() -> bool:
    """Whether this task was cancelled, even if a driver lost the cancellation on its way (`asyncio.wait_for` may)."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Seeder:
    """Puts the budgets of one organisation back; callers that come at the same time wait for the one that works."""

    def __init__(self, stream: Stream, book: Book, writer: LedgerWriter, clock: Clock, seconds: float = 2.0) -> None:
        self._stream = stream
        self._book = book
        self._writer = writer
        self._clock = clock
        self._seconds = seconds
        self._working: dict[str, asyncio.Task[None]] = {}

    async def seed(self, proof: Proven, organisation: str) -> None:
        """Raises Unavailable when it cannot be done now: until it is, nothing may be decided about these budgets."""
        task = self._working.get(organisation)
        if task is None:
            task = asyncio.ensure_future(self._bounded(proof, organisation))
            self._working[organisation] = task
            task.add_done_callback(lambda done: self._over(organisation, done))
        # The first caller's cancellation must not fail the others.
        await asyncio.shield(task)

    def _over(self, organisation: str, task: asyncio.Task[None]) -> None:
        self._working.pop(organisation, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may have

    async def _bounded(self, proof: Proven, organisation: str) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._work(proof, organisation)
        except TimeoutError:
            raise Unavailable("postgres") from None

    async def _work(self, proof: Proven, organisation: str) -> None:
        # Known before it is whole: a process that dies right after it leaves nothing that no other would find.
        await self._stream.announce(organisation)
        for _ in range(_ATTEMPTS):
            # What another consumer holds is taken from it: written twice is written once.
            await self._writer.drain(organisation, idle_ms=0)
            offset = await self._stream.offset(organisation)
            if offset.whole:
                return
            if offset.waiting:
                continue
            snapshot = await self._book.snapshot(proof, organisation, int(self._clock.now() * 1_000_000))
            if await self._stream.seed(organisation, offset, snapshot):
                _log.info("budgets of one organisation are whole")
                return
        raise Unavailable("redis")
