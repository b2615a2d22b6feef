"""Puts on record that records were dropped because a value in them must not leave: `kit.personal_data_dropped`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hauberk.common.v1 import decision_pb2 as common

from services.kit.audit import Event, EventClass, Trail
from services.kit.clock import Clock
from services.kit.errors import KitError
from services.kit.logs import logger
from services.kit.telemetry.gate import GATE, Dropped, Gate

TURN_SECONDS = 0.25
PAUSE_SECONDS = 60.0
AGAIN_SECONDS = 5.0


@asynccontextmanager
async def reporting(
    trail: Trail | None, service: str, clock: Clock, gate: Gate = GATE, pause: float = PAUSE_SECONDS
) -> AsyncIterator[None]:
    """Tells while it is entered, and once more at the end. Enter it after the trail and before what exports spans is
    to be closed. Without a trail only the log is written."""
    task = asyncio.create_task(_for_ever(trail, service, clock, gate, pause))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await tell(trail, service, clock, gate, pause, last=True)


async def _for_ever(trail: Trail | None, service: str, clock: Clock, gate: Gate, pause: float) -> None:
    while True:
        await asyncio.sleep(TURN_SECONDS)
        await tell(trail, service, clock, gate, pause)


async def tell(
    trail: Trail | None, service: str, clock: Clock, gate: Gate, pause: float, *, last: bool = False
) -> None:
    """One turn. What cannot be put on record is told again soon."""
    waiting = gate.take(pause, last=last)
    while waiting:
        dropped = waiting.pop()
        where = "+".join(sorted(dropped.places))
        # Passes the gate as every line does: it is made of words of ours, a name without a finding and a number.
        logger().critical(
            "kit.personal_data_dropped",
            place=where,
            kind=dropped.kind.value,
            record=dropped.record,
            times=dropped.amount,
        )
        if trail is None:
            continue
        try:
            await trail.emit(_event(dropped, where, service, clock.now()))
        except (KitError, asyncio.CancelledError) as error:
            for each in (dropped, *waiting):
                gate.give_back(each, AGAIN_SECONDS)
            if isinstance(error, asyncio.CancelledError):
                raise
            logger().error("kit.drop_not_recorded", kind=dropped.kind.value)
            return


def _event(dropped: Dropped, where: str, service: str, now: float) -> Event:
    return Event(
        event_id=f"{secrets.token_hex(8)}/{service}/personal_data_dropped/{secrets.token_hex(6)}",
        code="kit.personal_data_dropped",
        at=now,
        kind=EventClass.CRITICAL,
        outcome=common.OUTCOME_DENY,
        reason=common.REASON_NOT_PERMITTED,
        actor=service,
        facts={
            "workload": service,
            "where": where,
            "kind": dropped.kind.value,
            "record": dropped.record,
            "times": str(dropped.amount),
        },
    )
