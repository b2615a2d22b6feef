"""Tells the owners of API keys of rotation, of coming ends and of leaks, by a signed webhook."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from services.auth.flows.epochs import EpochBook
from services.auth.flows.minting import Minter
from services.auth.policy.api_keys import OnLeak
from services.auth.ports.keys import Due, KeySettingsStore, Outbox, Sender, TargetState
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import InvalidArgument, KitError, NotFound
from services.kit.logs import logger
from services.kit.webhooks import Target

POLL_SECONDS = 5.0
PLAN_SECONDS = 60.0
LEASE_SECONDS = 60.0
AT_ONCE = 16
MOST_ATTEMPTS = 12  # about a day and a half in all
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 6 * 3600.0
_SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with


def pause(attempts: int, jitter: float) -> float:
    """How long to wait after so many failed attempts; `jitter` is 0 to 1."""
    return min(_FIRST_PAUSE * 4.0 ** (attempts - 1), _LONGEST_PAUSE) * (0.75 + 0.5 * jitter)


def body_of(due: Due) -> bytes:
    """What is sent: ids and times, never a key, never a name that a person wrote."""
    data = {"organisation": due.organisation, "key_id": due.key_id, **due.body}
    if "ends_at" in data:
        data["ends_at"] = _iso(float(data["ends_at"]))
    message = {"type": f"api_key.{due.kind}", "timestamp": _iso(due.created_at), "data": data}
    return json.dumps(message, separators=(",", ":"), sort_keys=True).encode()


class Notifier:
    """Works through the outbox. Any number of processes may do so at once."""

    def __init__(self, outbox: Outbox, sender: Sender, minter: Minter, clock: Clock) -> None:
        self._outbox = outbox
        self._sender = sender
        self._minter = minter
        self._clock = clock
        self._plan_at = 0.0

    async def keep_sending(self) -> None:
        """For ever; a store that is away is asked again."""
        while True:
            try:
                while await self.send_due():
                    pass
            except Exception as error:  # noqa: BLE001 - what sends for everybody must not end for any cause
                logger().warning("auth.notices_wait", error_class=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def send_due(self) -> int:
        """One round: how many were tried. Raises Unavailable."""
        now = self._clock.now()
        if now >= self._plan_at:
            await self._outbox.plan(now)
            self._plan_at = now + PLAN_SECONDS
        claimed = await self._outbox.claim(now, LEASE_SECONDS, AT_ONCE)
        found = await asyncio.gather(*(self._attempt(*each) for each in claimed), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException) and not isinstance(error, KitError):
                raise error
        return len(claimed)

    async def _attempt(self, organisation: str, notice_id: str) -> None:
        """What fails on the way here is tried again when the lease ends."""
        proof = self._minter.proof(organisation)
        due = await self._outbox.open(proof, organisation, notice_id)
        if due is None:
            return
        if due.target is None:
            await self._outbox.done(proof, notice_id, self._clock.now(), delivered=False)
            return
        taken = await self._sender.send(due.target, notice_id, int(self._clock.now()), body_of(due))
        proof, now = self._minter.proof(organisation), self._clock.now()
        if taken or due.attempts >= MOST_ATTEMPTS:
            await self._outbox.done(proof, notice_id, now, delivered=taken)
        else:
            await self._outbox.later(proof, notice_id, now + pause(due.attempts, random.random()))  # noqa: S311 - jitter
        if not taken:
            logger().info("auth.notice_not_taken", organisation=organisation, attempts=due.attempts)


class KeyChoices:
    """What an organisation decides about its keys: where notices go, what a leak does. Raises Unavailable."""

    def __init__(self, settings: KeySettingsStore, book: EpochBook, acceptable: Callable[[str], bool]) -> None:
        """`acceptable` says whether an address may be a target at all."""
        self._settings = settings
        self._book = book
        self._acceptable = acceptable

    async def set_target(self, caller: Caller, url: str) -> str:
        """A new secret each time; it is shown this once."""
        await self._book.require_current(caller)
        if not self._acceptable(url):
            raise InvalidArgument.of("url", "an https address on the public internet, without credentials or fragment")
        secret = secrets.token_bytes(_SECRET_BYTES)
        await self._settings.set_target(caller, caller.organisation, Target(url, secret))
        logger().info("auth.key_webhook_set", organisation=caller.organisation)
        return SECRET_PREFIX + base64.b64encode(secret).decode("ascii")

    async def target(self, caller: Caller) -> TargetState:
        """Raises NotFound when there is none."""
        await self._book.require_current(caller)
        found = await self._settings.target(caller)
        if found is None:
            raise NotFound("webhook")
        return found

    async def delete_target(self, caller: Caller) -> None:
        """Safe to repeat."""
        await self._book.require_current(caller)
        await self._settings.set_target(caller, caller.organisation, None)

    async def on_leak(self, caller: Caller) -> OnLeak:
        """What is decided."""
        await self._book.require_current(caller)
        return await self._settings.on_leak(caller)

    async def set_on_leak(self, caller: Caller, action: OnLeak) -> None:
        """Decides."""
        await self._book.require_current(caller)
        await self._settings.set_on_leak(caller, caller.organisation, action)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
