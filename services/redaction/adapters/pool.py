"""Where the search runs: short texts at once, long ones in a few threads so that the event loop keeps answering.

Threads and not processes: a search is many short pattern calls, between which the interpreter changes threads, so
another request waits milliseconds and not the whole text; nothing is copied and nothing has to be forked beside gRPC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from services.kit.errors import Exhausted, Unavailable
from services.kit.telemetry import Attr, span
from services.redaction.policy.model import DetectionFailed, Rules, Scan
from services.redaction.policy.scan import scan
from services.redaction.ports import Detector


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
    ) -> None:
        self._known = known
        self._detectors = tuple(detectors)
        self._offload = offload_characters
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="redaction-scan")
        self._places = workers + waiting
        self._busy = 0

    async def scan(self, texts: Sequence[str], rules: Rules) -> list[Scan]:
        """One result for each text, in order."""
        characters = sum(map(len, texts))
        with span("redaction scan", {Attr.TEXTS: len(texts), Attr.CHARACTERS: characters}):
            try:
                if characters <= self._offload:
                    return self._all(texts, rules)
                return await self._elsewhere(texts, rules)
            except DetectionFailed:
                raise Unavailable("detector") from None

    async def _elsewhere(self, texts: Sequence[str], rules: Rules) -> list[Scan]:
        if self._busy >= self._places:
            raise Exhausted("too many long texts are being searched")
        self._busy += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._all, texts, rules)
        # The place is free when the thread is, also when the caller has gone away meanwhile.
        running.add_done_callback(self._release)
        return await asyncio.shield(running)

    def _release(self, done: asyncio.Future[list[Scan]]) -> None:
        self._busy -= 1
        if not done.cancelled():
            done.exception()

    def _all(self, texts: Sequence[str], rules: Rules) -> list[Scan]:
        return [scan(text, rules, self._known, self._detectors) for text in texts]

    def close(self) -> None:
        """Lets running searches end."""
        self._threads.shutdown(wait=True, cancel_futures=True)
