"""Reports of abuse to the rate limiter, beside the requests: never waited for, never a reason to refuse.

What cannot be reported in time (a full queue, the service away, a token too old) is lost, and counted in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from dataclasses import dataclass

from hauberk.common.v1 import decision_pb2 as decision
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from gateway.clients import Services
from gateway.sketch import SLOTS, sketch
from services.kit.errors import KitError
from services.kit.logs import logger

EXTRACTION = "model_extraction"
# Which decisions are reported, and as what.
KINDS = {
    decision.REASON_INJECTION: "injection",
    decision.REASON_OUTPUT_WITHHELD: "leak",
    decision.REASON_TOOL_CALL_REFUSED: "tool_refused",
    decision.REASON_PERSONAL_DATA_REPLACED: "personal_data",
}
WAITING = 2048
WORKERS = 4
AT_MOST = 2.0
# A token lives 60 s; what waited nearly as long is not worth a call.
FRESH = 45.0
_USERS = 20_000
_RECENT = 8
_ALIKE = 12
_LATELY = 600.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    token: str
    event: str
    kind: str
    who: tuple[str, str, str]
    text: str
    since: float


class Signals:
    """A bounded queue; `run` sends for as long as the process lives. `kinds` are those that are reported at all."""

    def __init__(self, services: Services, kinds: frozenset[str], waiting: int = WAITING) -> None:
        self._services = services
        self._kinds = kinds
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(waiting)
        self._recent = Recent()
        self.lost = 0

    def decided(self, token: str, txn: str, reason: decision.Reason.ValueType) -> None:
        """A decision about a proven caller; most are nobody's abuse."""
        kind = KINDS.get(reason, "")
        if kind in self._kinds and token:
            self._put(_Waiting(token, f"{txn}/{kind}", kind, ("", "", ""), "", time.monotonic()))

    def asked(self, token: str, txn: str, who: tuple[str, str, str], text: str) -> None:
        """A question that was admitted, of this organisation, brand and user."""
        if EXTRACTION in self._kinds and token and text:
            self._put(_Waiting(token, f"{txn}/{EXTRACTION}", EXTRACTION, who, text, time.monotonic()))

    def _put(self, one: _Waiting) -> None:
        try:
            self._queue.put_nowait(one)
        except asyncio.QueueFull:
            self._lose("full")

    def _lose(self, why: str) -> None:
        self.lost += 1
        if self.lost & (self.lost - 1) == 0:  # at 1, 2, 4, 8 ...: an outage is not a flood of lines
            logger().warning("gateway.signals_lost", lost=self.lost, why=why)

    async def run(self) -> None:
        """Sends what waits."""
        await asyncio.gather(*(self._send() for _ in range(WORKERS)))

    async def _send(self) -> None:
        while True:
            one = await self._queue.get()
            if time.monotonic() - one.since > FRESH:
                self._lose("late")
                continue
            request = self._request(one)
            if request is None:
                continue
            try:
                await self._services.signal(one.token, request, AT_MOST)
            except (KitError, TimeoutError) as error:
                self._lose(type(error).__name__)

    def _request(self, one: _Waiting) -> ratelimit.SignalRequest | None:
        if one.kind != EXTRACTION:
            return ratelimit.SignalRequest(kind=one.kind, event_id=one.event)
        found = sketch(one.text)
        # Only what is nearly what this user asked here lately is worth a call: of an ordinary conversation nothing is.
        if not found or not self._recent.again(one.who, found, one.since):
            return None
        return ratelimit.SignalRequest(kind=one.kind, event_id=one.event, sketch=found)


class Recent:
    """The last sketches of the users seen lately by this process; bounded."""

    def __init__(self, users: int = _USERS) -> None:
        self._users = users
        self._known: OrderedDict[tuple[str, str, str], deque[tuple[float, bytes]]] = OrderedDict()

    def again(self, who: tuple[str, str, str], found: bytes, now: float) -> bool:
        """Whether something nearly the same was asked lately, but not the very same."""
        ring = self._known.get(who)
        if ring is None:
            ring = self._known[who] = deque(maxlen=_RECENT)
            if len(self._known) > self._users:
                self._known.popitem(last=False)
        self._known.move_to_end(who)
        near = any(now - at < _LATELY and other != found and alike(other, found) >= _ALIKE for at, other in ring)
        if all(other != found for _, other in ring):
            ring.append((now, found))
        return near


def alike(one: bytes, other: bytes) -> int:
    """In how many of SLOTS places two sketches agree."""
    return sum(a == b for a, b in zip(one, other, strict=False)) if len(one) == len(other) == SLOTS else 0
