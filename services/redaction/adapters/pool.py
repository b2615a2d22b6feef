"""Where the search runs: short texts at once, long ones in a few threads so that the event loop keeps answering.

Threads and not processes: a search is many short pattern calls, between which the interpreter changes threads, so
another request waits milliseconds and not the whole text; nothing is copied and nothing has to be forked beside gRPC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from services.kit.errors import Exhausted, Unavailable
from services.kit.telemetry import Attr, span
from services.redaction.policy.gates import Gates
from services.redaction.policy.model import DetectionFailed, Rules, Scan
from services.redaction.policy.names import with_names
from services.redaction.policy.scan import WORD_GATES, scan
from services.redaction.ports import Detector, Named, Namer

_STEPS_TO_ASK = 3


class ScanPool:
    """A bounded pool for long texts."""

    def __init__(
        self,
        known: Callable[[str], bool],
        detectors: Sequence[Detector],
        *,
        offload_characters: int,
        workers: int,
        waiting: int,
        namer: Namer | None = None,
        gates: Gates = WORD_GATES,
        seconds: float = 30.0,
    ) -> None:
        self._known = known
        self._detectors = tuple(detectors)
        self._namer = namer
        self._gates = gates
        self._seconds = seconds
        self._offload = offload_characters
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="redaction-scan")
        self._places = workers + waiting
        self._busy = 0

    async def scan(self, texts: Sequence[str], rules: Rules) -> list[Scan]:
        """One result for each text, in order."""
        characters = sum(map(len, texts))
        with span("redaction scan", {Attr.TEXTS: len(texts), Attr.CHARACTERS: characters}):
            naming = asyncio.ensure_future(self._names(texts, rules))
            naming.add_done_callback(_looked_at)
            try:
                # The question is on its way to another process before this one is busy with patterns.
                for _ in range(_STEPS_TO_ASK if self._namer is not None else 0):
                    await asyncio.sleep(0)
                scans = self._all(texts, rules) if characters <= self._offload else await self._elsewhere(texts, rules)
                named = await naming
            except (Exhausted, Unavailable):
                raise
            except Exception:  # noqa: BLE001 - whatever a recognizer dies of, its text counts as not searched
                raise Unavailable("detector") from None
            finally:
                naming.cancel()
            joined = [with_names(found, extra, rules) for found, extra in zip(scans, named.spans, strict=True)]
            return [replace(found, degraded=True) for found in joined] if named.degraded else joined

    async def _names(self, texts: Sequence[str], rules: Rules) -> Named:
        wanted = rules.entities & self._namer.findable if self._namer is not None else frozenset()
        if self._namer is None or not wanted:
            return Named([()] * len(texts))
        named = await self._namer.names(texts, wanted, rules)
        if len(named.spans) != len(texts):
            raise DetectionFailed("the search for names did not answer for every text")
        return named

    async def _elsewhere(self, texts: Sequence[str], rules: Rules) -> list[Scan]:
        if self._busy >= self._places:
            raise Exhausted("too many long texts are being searched")
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._all, texts, rules)
        self._busy += 1
        # The place is free when the thread is, also when the caller has gone away meanwhile.
        running.add_done_callback(self._release)
        # A thread cannot be stopped, but nobody has to wait for it: late is not searched.
        async with asyncio.timeout(self._seconds):
            return await asyncio.shield(running)

    def _release(self, done: asyncio.Future[list[Scan]]) -> None:
        self._busy -= 1
        if not done.cancelled():
            done.exception()

    def _all(self, texts: Sequence[str], rules: Rules) -> list[Scan]:
        own = rules.own_entities

        def known(entity: str) -> bool:
            return entity in own or self._known(entity)

        return [scan(text, rules, known, self._detectors, gates=self._gates) for text in texts]

    def close(self) -> None:
        """Lets running searches end."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _looked_at(done: asyncio.Future[Named]) -> None:
    """A failure counts where the answer is awaited; after an earlier one nobody asks for it."""
    if not done.cancelled():
        done.exception()
