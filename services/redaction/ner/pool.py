"""A few worker processes that find names; behind the port `Namer`.

A worker that dies is replaced, one that hangs is killed first. What it had then counts as late: the organisation's
policy says what happens, and no text passes for searched that was not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from services.kit.deadline import remaining
from services.redaction.ner.frames import HungUp
from services.redaction.ner.process import Worker
from services.redaction.policy.model import DetectionFailed, Finding, Rules, WhenLate
from services.redaction.ports import Named

# A longer text gets more time, by each begun stretch of this length.
_PER_CHARACTERS = 50_000
# Part of what is left of a call that names may take: somebody has to act on the answer, or on its absence.
_SHARE_OF_CALL = 0.7
# How much later than late an answer may come before the worker is given up.
_PATIENCE = 4
_START_SECONDS = 30.0
_LONGEST_PAUSE = 30.0


class NamesUnavailable(Exception):
    """No worker became ready: the model is missing or broken."""


class NamePool:
    """Implements `ports.Namer`. Workers start with `start`, or with the first question."""

    def __init__(
        self, make: Callable[[], Worker], findable: frozenset[str], *, workers: int, waiting: int, seconds: float
    ) -> None:
        self._make = make
        self._findable = findable
        self._count = workers
        self._places = workers + waiting
        self._seconds = seconds
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._workers: set[Worker] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asking = 0
        self._started: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def findable(self) -> frozenset[str]:
        """Entities that the model knows."""
        return self._findable

    async def start(self) -> None:
        """Starts all workers; raises NamesUnavailable when one does not become ready."""
        if self._started is None:
            self._started = self._task(self._start_all())
        await asyncio.shield(self._started)

    async def names(self, texts: Sequence[str], wanted: frozenset[str], rules: Rules) -> Named:
        """See the port."""
        try:
            return Named(await self._found(texts, wanted & self._findable))
        except (TimeoutError, HungUp, NamesUnavailable):
            if rules.names_late is WhenLate.PATTERNS_ONLY and not self._closed:
                return Named([()] * len(texts), degraded=True)
            raise DetectionFailed("names were not found in time") from None

    def close(self) -> None:
        """Ends every worker."""
        self._closed = True
        for task in tuple(self._tasks):
            with contextlib.suppress(RuntimeError):  # its loop may be gone already
                task.cancel()
        for worker in tuple(self._workers):
            worker.end()
        self._workers.clear()

    async def _found(self, texts: Sequence[str], wanted: frozenset[str]) -> list[tuple[Finding, ...]]:
        if self._closed or self._asking >= self._places:
            raise TimeoutError
        await self.start()
        self._asking += 1
        try:
            stretches = 1 + sum(map(len, texts)) // _PER_CHARACTERS
            async with asyncio.timeout(min(self._seconds * stretches, remaining(3600.0) * _SHARE_OF_CALL)):
                question = {"texts": list(texts), "wanted": sorted(wanted)}
                answer = await self._answer(question, self._seconds * stretches * _PATIENCE)
        finally:
            self._asking -= 1
        return _findings(answer, texts)

    async def _answer(self, question: dict[str, Any], patience: float) -> Any:
        """From any worker; once more from another one when the first turns out to be gone."""
        for last in (False, True):
            worker = await self._idle.get()
            try:
                # The exchange goes on when the asker has gone: an answer left on the line would be the next one's.
                return await asyncio.shield(self._task(self._exchange(worker, question, patience)))
            except HungUp:
                if last:
                    raise
        raise HungUp

    async def _exchange(self, worker: Worker, question: dict[str, Any], patience: float) -> Any:
        try:
            async with asyncio.timeout(patience):
                answer = await worker.ask(question)
        except asyncio.CancelledError:  # the service ends
            self._workers.discard(worker)
            worker.end()
            raise
        except BaseException:
            self._replace(worker)
            raise
        self._idle.put_nowait(worker)
        return answer

    def _replace(self, worker: Worker) -> None:
        self._workers.discard(worker)
        worker.end()
        if not self._closed:
            _ = self._task(self._start_until_ready())

    async def _start_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            begun = [group.create_task(self._start_one()) for _ in range(self._count)]
        if not all(task.result() for task in begun):
            self._started = None
            raise NamesUnavailable

    async def _start_until_ready(self) -> None:
        pause = 0.1
        while not self._closed and not await self._start_one():
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _start_one(self) -> bool:
        worker = self._make()
        self._workers.add(worker)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await worker.ready()
        except (TimeoutError, HungUp):
            self._workers.discard(worker)
            worker.end()
            return False
        self._idle.put_nowait(worker)
        return True

    def _task(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()


def _findings(answer: Any, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
    """The answer, believed only where it fits the texts."""
    try:
        found = [tuple(Finding(str(e), int(a), int(b), float(s)) for e, a, b, s in row) for row in answer["names"]]
    except (KeyError, TypeError, ValueError):
        raise HungUp from None
    if len(found) != len(texts):
        raise HungUp
    if any(not 0 <= f.start < f.end <= len(text) for text, row in zip(texts, found, strict=True) for f in row):
        raise HungUp
    return found
