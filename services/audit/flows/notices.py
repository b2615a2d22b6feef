"""Tells whoever is on duty, by a signed webhook: at least once, or given up after a day."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Protocol

from services.audit.response_ports import Case, Watch
from services.kit.clock import Clock
from services.kit.errors import KitError
from services.kit.logs import logger
from services.kit.webhooks import Target

POLL_SECONDS = 2.0
MOST_ATTEMPTS = 12
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 6 * 3600.0
_AT_ONCE = 16


class Sender(Protocol):
    """Posts one notice."""

    async def send(self, target: Target, notice_id: str, sent_at: int, body: bytes) -> bool:
        """Whether it was taken; never raises."""
        ...


class Notices:
    """Without a target notices are kept, and said to be untold."""

    def __init__(self, watch: Watch, sender: Sender, target: Target | None, clock: Clock) -> None:
        self._watch, self._sender, self._target, self._clock = watch, sender, target, clock

    async def run(self) -> None:
        """Sends for ever."""
        while True:
            try:
                while await self.once():
                    pass
            except KitError as error:
                logger().warning("audit.notices_wait", error_class=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def once(self) -> int:
        """One round; how many were tried. Raises Unavailable."""
        found = await self._watch.due("notice", ["waiting"], self._clock.now(), _AT_ONCE)
        for case in found:
            await self._send(case)
        return len(found)

    async def _send(self, case: Case) -> None:
        if self._target is None:
            await self._watch.move(replace(case, state="untold", due=0.0), ["waiting"])
            return
        attempts, now = int(case.document.get("attempts", 0)) + 1, self._clock.now()
        # Taken for this long: another process may be sending as well, and the receiver knows it by its id.
        leased = replace(
            case,
            due=now + min(_FIRST_PAUSE * 4.0 ** (attempts - 1), _LONGEST_PAUSE),
            document={**case.document, "attempts": attempts},
        )
        if not await self._watch.move(leased, ["waiting"]):
            return
        body = await self._body(case)
        if await self._sender.send(self._target, case.id, int(now), body):
            await self._watch.move(replace(leased, state="told", due=0.0), ["waiting"])
        elif attempts >= MOST_ATTEMPTS:
            await self._watch.move(replace(leased, state="given_up", due=0.0), ["waiting"])

    async def _body(self, case: Case) -> bytes:
        """Ids, numbers and words of the policy; nobody's name."""
        incident = str(case.document["event"]).partition("/")[0]
        found = await self._watch.get(case.organisation, "incident", incident)
        document = found.document if found else {}
        wanted = ("rule", "severity", "mode", "subject_kind", "amount", "over", "opened_at")
        data = {"organisation": case.organisation, "incident": incident}
        data |= {name: document[name] for name in wanted if name in document}
        return json.dumps({"type": "incident.opened", "data": data}, separators=(",", ":"), sort_keys=True).encode()
