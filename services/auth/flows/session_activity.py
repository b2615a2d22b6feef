"""When sessions were last used: noted in memory as they are, written in batches beside the requests."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable

from services.auth.policy.sessions import SessionRecord, touch_after
from services.auth.ports.sessions import SessionStore
from services.kit.errors import Unavailable
from services.kit.logs import logger
from services.kit.postgres import Proven

FLUSH_SECONDS = 5.0
# Sessions in use at once in one process. Beyond, the oldest notes are lost, and those sessions may end early.
MOST = 50_000
BATCH = 1000


class SessionActivity:
    """A use is noted when the store is behind by a tenth of the idle limit, a minute at most, and written within
    FLUSH_SECONDS; what a crash loses lets a session end that much earlier, never later."""

    def __init__(self, store: SessionStore, prove: Callable[[str], Proven]) -> None:
        self._store = store
        self._prove = prove
        self._noted: OrderedDict[str, float] = OrderedDict()
        self._waiting: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def used(self, record: SessionRecord, now: float) -> None:
        """An accepted use."""
        known = max(record.last_seen_at, self._noted.get(record.session_id, 0.0))
        if now - known < touch_after(record.idle_seconds):
            return
        self._noted[record.session_id] = now
        self._waiting[record.session_id] = (record.organisation, now)
        for kept in (self._noted, self._waiting):
            if len(kept) > MOST:
                kept.popitem(last=False)

    async def flush(self) -> None:
        """Writes what is noted; what cannot be written waits for the next time."""
        taken, self._waiting = self._waiting, OrderedDict()
        by_organisation: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for session_id, (organisation, at) in taken.items():
            by_organisation[organisation][session_id] = at
        for organisation, uses in by_organisation.items():
            await self._write(organisation, uses)

    async def _write(self, organisation: str, uses: dict[str, float]) -> None:
        ids = list(uses)
        for start in range(0, len(ids), BATCH):
            batch = {session_id: uses[session_id] for session_id in ids[start : start + BATCH]}
            try:
                await self._store.seen(self._prove(organisation), batch)
            except Unavailable:
                logger().warning("auth.session_use_not_written", sessions=len(batch))
                for session_id, at in batch.items():
                    self._waiting.setdefault(session_id, (organisation, at))

    async def keep_writing(self) -> None:
        """For as long as the process lives."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
