"""Refused credentials, reported to the rate limiter: against the address and the beginning of the key, never a user.

Beside the requests: a report is never waited for, and never a reason to refuse. What does not fit the queue is lost.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Protocol

from services.auth.policy.causes import Cause
from services.kit.errors import KitError
from services.kit.logs import logger

WAITING = 2048
WORKERS = 2
PREFIX = 12  # of a key: its kind, its environment and three of 43 characters, which prove nothing
# Everybody who holds a token can read when it ended: to count it would punish late clients and hide nothing. All other
# causes count alike, so that who is counted tells no more of a credential than the answer does.
_INNOCENT = frozenset({Cause.NONE, Cause.JWT_EXPIRED, Cause.KIND_NOT_SERVED, Cause.SESSION_MUST_ROTATE})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused credential; `key_prefix` is a digest, empty when what was presented is no key."""

    event: str
    client_address: str
    key_prefix: str


class Reporter(Protocol):
    """The rate limiter. Raises errors of the kit when it cannot be told."""

    async def auth_failed(self, refusal: Refusal) -> None:
        """Counts one refused credential."""
        ...


class AbuseReports:
    """A bounded queue; `run` sends for as long as the process lives."""

    def __init__(self, reporter: Reporter, waiting: int = WAITING) -> None:
        self._reporter = reporter
        self._queue: asyncio.Queue[Refusal] = asyncio.Queue(waiting)
        self.lost = 0

    def refused(self, cause: Cause, txn: str, client_address: str, key: str) -> None:
        """One refused credential; without an address there is nobody to count it against."""
        if cause in _INNOCENT or not client_address:
            return
        digest = hashlib.sha256(key[:PREFIX].encode("utf-8", "surrogatepass")).hexdigest()[:16] if key else ""
        try:
            self._queue.put_nowait(Refusal(f"{txn}/auth_failed", client_address, digest))
        except asyncio.QueueFull:
            self._lose("full")

    def _lose(self, why: str) -> None:
        self.lost += 1
        if self.lost & (self.lost - 1) == 0:  # at 1, 2, 4, 8 ...: an outage is not a flood of lines
            logger().warning("auth.reports_lost", lost=self.lost, why=why)

    async def run(self) -> None:
        """Sends what waits."""
        await asyncio.gather(*(self._send() for _ in range(WORKERS)))

    async def _send(self) -> None:
        while True:
            refusal = await self._queue.get()
            try:
                await self._reporter.auth_failed(refusal)
            except (KitError, TimeoutError) as error:
                self._lose(type(error).__name__)
