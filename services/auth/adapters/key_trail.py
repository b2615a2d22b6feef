"""What happens to an organisation's keys by other hands than its own, on record in its own trail."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from hauberk.common.v1 import decision_pb2 as common

from services.kit.audit import Event, EventClass, Trail
from services.kit.clock import Clock


class KeyTrail:
    """`services.auth.ports.keys.OwnTrail`. Without a trail (tests, tools) nothing is recorded, as everywhere."""

    def __init__(self, trail: Trail | None, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock

    async def put(
        self, organisation: str, code: str, actor: str, facts: Mapping[str, str], *, first: bool = False
    ) -> None:
        """One event; with `first` it must be stored before anything is done. Raises Unavailable("audit")."""
        if self._trail is None:
            return
        event = Event(
            event_id=f"{secrets.token_hex(8)}/auth/{code.rpartition('.')[2]}/{secrets.token_hex(6)}",
            code=code,
            at=self._clock.now(),
            kind=EventClass.CRITICAL,
            outcome=common.OUTCOME_ALLOW,
            reason=common.REASON_NONE,
            organisation=organisation,
            actor=actor,
            facts=facts,
        )
        await self._trail.emit(event, critical=first)
