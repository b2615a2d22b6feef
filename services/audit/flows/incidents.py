"""What people do with incidents: read them, decide about actions, close them, set modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.audit.flows.names import Names
from services.audit.flows.responding import RETRY_SECONDS, Responder
from services.audit.policy.playbooks import Mode, State
from services.audit.policy.report import ShownAction, ShownIncident
from services.audit.policy.response import ResponsePolicy
from services.audit.ports import KeyReader
from services.audit.response_ports import Case, Cases
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, NotFound

CLOSED = ("resolved", "false_positive")
_PENDING = (State.WAITING, State.FAILED)


@dataclass(frozen=True, slots=True)
class Desk:
    """One organisation's cases, as the caller may reach them, with the keys to read them."""

    organisation: str
    cases: Cases
    reader: KeyReader


class Desks(Protocol):
    """Ways to cases."""

    def of(self, caller: Caller) -> Desk:
        """Those of the caller's organisation."""
        ...

    def platform(self) -> Desk:
        """Those of the platform. For operators."""
        ...


class Incidents:
    """Every change is compared with what was there: who decides second changes nothing. Raises NotFound,
    Unavailable."""

    def __init__(self, responder: Responder, names: Names, policy: ResponsePolicy, clock: Clock) -> None:
        self._responder, self._names, self._clock = responder, names, clock
        self.policy = policy

    async def page(self, desk: Desk, state: str, place: tuple[float, str], limit: int) -> Sequence[Case]:
        """The newest before a place."""
        return await desk.cases.before(desk.organisation, "incident", state, place, limit)

    async def shown(self, desk: Desk, incident: str) -> ShownIncident:
        """One with all that is known."""
        found = await self._incident(desk, incident)
        actions = [await self.action(desk, each) for each in await desk.cases.below(desk.organisation, incident)]
        names = await self._names.open(desk.reader, str(found.document["sealed"]))
        return ShownIncident(found.id, found.organisation, found.state, found.document, names, actions)

    async def action(self, desk: Desk, case: Case) -> ShownAction:
        """One with its subject."""
        names = await self._names.open(desk.reader, str(case.document["sealed"]))
        return ShownAction(case.id, case.state, case.document, names.get("subject", ""), case.due)

    async def approve(self, desk: Desk, incident: str, action: str) -> Case:
        """Does what waits. Raises FailedPrecondition for what does not."""
        case = await self._action(desk, incident, action)
        body = {**case.document, "approved": "yes", "attempts": 0}
        moved = replace(case, state=State.DOING.value, due=self._clock.now() + RETRY_SECONDS, document=body)
        if not await desk.cases.move(moved, [state.value for state in _PENDING]):
            raise FailedPrecondition("NOT_WAITING", "the action does not wait for approval")
        return await self._responder.carry_out(moved, approved=True)

    async def undo(self, desk: Desk, incident: str, action: str) -> Case:
        """Takes back what was done, or drops what waits. Raises FailedPrecondition for what cannot be taken back."""
        case = await self._action(desk, incident, action)
        undone = await self._taken_back(desk, case)
        if undone is None:
            raise FailedPrecondition("NOT_REVERSIBLE", "the action was not done, or cannot be taken back")
        return undone

    async def close(self, desk: Desk, incident: str, resolution: str) -> ShownIncident:
        """Closed; a false positive takes back every action."""
        found = await self._incident(desk, incident)
        body = {**found.document, "closed_at": self._clock.now()}
        if not await desk.cases.move(replace(found, state=resolution, document=body), ["new", "contained"]):
            raise FailedPrecondition("ALREADY_CLOSED", "the incident is closed")
        for case in await desk.cases.below(desk.organisation, incident):
            if resolution == "false_positive" or case.state == State.WAITING:
                await self._taken_back(desk, case)
        return await self.shown(desk, incident)

    async def modes(self, desk: Desk) -> list[tuple[str, Mode, list[str]]]:
        """Every playbook with its mode here and its actions."""
        found = []
        for rule in self.policy.rules:
            own = await desk.cases.get(desk.organisation, "mode", rule.id)
            mode = Mode(own.state) if own else rule.mode
            found.append((rule.id, mode, [step.do for step in rule.actions]))
        return found

    async def set_mode(self, desk: Desk, playbook: str, mode: Mode) -> list[str]:
        """From the next detection on."""
        rule = self.policy.named(playbook)
        if rule is None:
            raise NotFound("playbook")
        case = Case(desk.organisation, "mode", playbook, mode.value, {})
        if not await desk.cases.put(case):
            await desk.cases.move(case, [each.value for each in Mode])
        return [step.do for step in rule.actions]

    async def _taken_back(self, desk: Desk, case: Case) -> Case | None:
        if case.state in _PENDING:
            dropped = replace(case, state=State.DROPPED.value, due=0.0)
            return dropped if await desk.cases.move(dropped, [case.state]) else None
        if case.state != State.DONE or not case.document["inverse"]:
            return None
        turned = replace(case, state=State.UNDOING.value, due=self._clock.now() + RETRY_SECONDS)
        if not await desk.cases.move(turned, [State.DONE.value]):
            return None
        return await self._responder.take_back(turned)

    async def _incident(self, desk: Desk, incident: str) -> Case:
        found = await desk.cases.get(desk.organisation, "incident", incident)
        if found is None:
            raise NotFound("incident")
        return found

    async def _action(self, desk: Desk, incident: str, action: str) -> Case:
        found = await desk.cases.get(desk.organisation, "action", action)
        if found is None or found.parent != incident:
            raise NotFound("action")
        return found
