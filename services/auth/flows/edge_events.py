"""What the edge puts on record beside the calls themselves: attacks by browsers, and our own misconfiguration."""

from __future__ import annotations

import secrets

from hauberk.common.v1 import decision_pb2 as common

from services.auth.policy import origins
from services.auth.policy.challenges import Finding, Provider
from services.kit.audit import Event, EventClass, Trail
from services.kit.caller import current
from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.logs import logger

# Every request would meet the same fault: one alarm for each brand and fault in this time is enough to wake somebody.
ALARM_SECONDS = 60.0
_REMEMBERED = 1024
MALFORMED = "malformed"


class EdgeEvents:
    """Without a trail (tests, tools) only the log is written."""

    def __init__(self, trail: Trail | None, clock: Clock) -> None:
        self._trail, self._clock = trail, clock
        self._alarmed: dict[tuple[str, str, str], float] = {}

    async def malicious_cors(self, organisation: str, brand: str, origin: str, client_address: str) -> None:
        """An origin that no brand of this name lists. Raises Unavailable when it cannot be put on record."""
        shown = origins.presented(origin) or MALFORMED
        logger().warning("auth.malicious_cors", organisation=organisation, brand=brand)
        call = current.get()
        if self._trail is None:
            return
        workload = call.workload.name if call and call.workload else ""
        await self._trail.emit(
            Event(
                event_id=_id("malicious_cors"),
                code="malicious_cors",
                at=self._clock.now(),
                outcome=common.OUTCOME_DENY,
                reason=common.REASON_NOT_PERMITTED,
                # Nobody has proven to be of the organisation that was named: this is for the platform's chain.
                actor=workload,
                client_address=client_address,
                trace_id=call.trace_id if call else "",
                facts={"target": organisation, "brand": brand, "origin": shown, "workload": workload},
            )
        )
        if call is not None:
            call.recorded = True

    async def misconfigured(self, organisation: str, brand: str, provider: Provider, cause: str) -> None:
        """A fault that only we can mend. The user's answer never waits for this event."""
        now = self._clock.now()
        key = (organisation, brand, cause)
        if now - self._alarmed.get(key, -ALARM_SECONDS) < ALARM_SECONDS:
            return
        if len(self._alarmed) >= _REMEMBERED:
            self._alarmed.clear()
        self._alarmed[key] = now
        known = cause if len(cause) <= 64 and cause.replace("-", "").replace("_", "").isalnum() else "unknown"
        logger().critical(
            "auth.challenge_misconfigured", organisation=organisation, brand=brand, provider=provider.value, cause=known
        )
        if self._trail is None:
            return
        event = Event(
            event_id=_id("challenge_misconfigured"),
            code="auth.challenge_misconfigured",
            at=now,
            kind=EventClass.CRITICAL,
            outcome=common.OUTCOME_DENY,
            reason=common.REASON_CHALLENGE_UNAVAILABLE,
            actor="auth",
            facts={"target": organisation, "brand": brand, "provider": provider.value, "cause": known},
        )
        try:
            await self._trail.emit(event)
        except Unavailable:
            logger().error("auth.challenge_alarm_not_recorded", provider=provider.value)

    def refused(self, organisation: str, brand: str, finding: Finding) -> None:
        """For the log alone: the call itself is on record with its outcome."""
        logger().info("auth.challenge_refused", organisation=organisation, brand=brand, cause=finding.value)


def _id(name: str) -> str:
    return f"{secrets.token_hex(16)}/auth/{name}/{secrets.token_hex(6)}"
