"""The end of every request: one audit event, also after a refusal, a spent deadline or a caller that went away.

A decision is on record (on this machine's disk) before it is answered; what cannot be recorded is not answered.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision

from gateway.answers import Decision, trace_id
from services.kit.audit import Event, Trail
from services.kit.beside import beside
from services.kit.caller import current_call
from services.kit.clock import Clock
from services.kit.errors import KitError

# What stands in the place of a decision when none was reached.
ABANDONED = Decision(decision.OUTCOME_UNSPECIFIED, decision.REASON_DEADLINE_SPENT, "", 0.0, degraded=True)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom and what an event is about, as far as it is known."""

    code: str
    txn: str
    principal: auth.Principal
    client_address: str = ""
    user_agent: str = ""
    challenge: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


class Finaliser:
    """Puts decisions on record; without a trail (tests, tools) nothing is."""

    def __init__(self, trail: Trail | None, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock

    async def record(self, subject: Subject, made: Decision) -> None:
        """Returns when the event is on record; raises Unavailable when it cannot be."""
        call = current_call()
        call.recorded = True  # once: the layer that records direct calls leaves this one alone
        if self._trail is not None:
            workload = call.workload.name if call.workload else ""
            await self._trail.emit(self._event(subject, made, workload))

    def abandoned(self, subject: Subject) -> None:
        """Records that a request ended without a decision; the one who ended it does not wait for that."""
        _ = beside(self._quietly(subject))

    async def _quietly(self, subject: Subject) -> None:
        try:
            await self.record(subject, ABANDONED)
        except KitError:  # nobody is waiting for an answer that could be withheld
            return

    def _event(self, subject: Subject, made: Decision, workload: str) -> Event:
        principal = subject.principal
        facts = {
            "workload": workload,
            "decided_by": made.decided_by,
            "degraded": "yes" if made.degraded else "",
            "key": principal.key_id,
            "session": principal.session_id,
            **subject.facts,
        }
        rpc = subject.code.rpartition(".")[2]
        return Event(
            event_id=f"{subject.txn or secrets.token_hex(8)}/gateway/{rpc}/{secrets.token_hex(6)}",
            code=subject.code,
            at=self._clock.now(),
            outcome=made.outcome,
            reason=made.reason,
            organisation=principal.organisation,
            actor=principal.subject or workload,
            brand=principal.brand,
            txn=subject.txn,
            trace_id=trace_id(),
            client_address=subject.client_address,
            user_agent=subject.user_agent,
            challenge=subject.challenge,
            facts={name: value for name, value in facts.items() if value},
        )
