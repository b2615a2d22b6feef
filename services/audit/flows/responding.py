"""From a detection to an incident and what is done about it; every step is on record, and can be gone on with after a
crash: ids are made from the detection, states move one way."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace

from services.audit.flows.names import Names
from services.audit.policy import Record
from services.audit.policy.catalogue import CRITICAL
from services.audit.policy.detection import Detection
from services.audit.policy.playbooks import KINDS, Mode, Planned, State, incident_id, plan
from services.audit.policy.response import ResponsePolicy
from services.audit.ports import SubjectKey
from services.audit.response_ports import Case, Hands, NeedsApprovalError, Order, Watch
from services.kit.clock import Clock
from services.kit.errors import KitError
from services.kit.logs import logger
from services.kit.telemetry.counting import count

HOUR = 3600.0
RETRY_SECONDS = 5.0
MOST_ATTEMPTS = 12
_AT_ONCE = 64
Report = Callable[[Sequence[Record]], Awaitable[int]]


class WatchedKeys:
    """Implements `ports.KeyReader` for any organisation."""

    def __init__(self, watch: Watch, organisation: str) -> None:
        self._watch, self.organisation = watch, organisation

    async def keys(self, ids: Sequence[str]) -> Sequence[SubjectKey]:
        """See the port."""
        return await self._watch.keys(self.organisation, ids)


class Responder:
    """`report` puts events on record before anything is done."""

    def __init__(
        self, watch: Watch, hands: Hands, names: Names, policy: ResponsePolicy, report: Report, clock: Clock
    ) -> None:
        self._watch, self._hands, self._names = watch, hands, names
        self._policy, self._report, self._clock = policy, report, clock
        for rule in policy.rules:
            count("hauberk.incidents", 0, rule=rule.id, severity=rule.severity)

    async def handle(self, found: Detection) -> None:
        """Opens the incident and does what its playbook may do by itself. Raises Unavailable: then it is handled again,
        and nothing is done twice."""
        organisation, incident = found.subject.organisation, incident_id(found)
        document = self._policy.named(found.rule.id)
        if document is None:
            return
        now, mode = self._clock.now(), await self.mode(organisation, found.rule.id)
        known = found.subject.known
        facts = {**known, "kind": found.subject.kind, "subject": found.subject.name}
        sealed = await self._names.seal(organisation, known.get("user", ""), facts, now)
        body = {
            "rule": found.rule.id,
            "severity": found.rule.severity,
            "mode": mode.value,
            "subject_kind": found.subject.kind,
            "amount": found.amount,
            "over": found.rule.over,
            "window": found.rule.window,
            "first_at": found.first_at,
            "last_at": found.last_at,
            "opened_at": now,
            "evidence": [asdict(each) for each in found.evidence],
            "sealed": sealed,
            "policy": self._policy.version,
        }
        await self._said(organisation, "incident_opened", incident, {"rule": found.rule.id, "mode": mode.value})
        if await self._watch.put(Case(organisation, "incident", incident, "new", body)):
            count("hauberk.incidents", rule=found.rule.id, severity=found.rule.severity)
            logger().warning("audit.incident", rule=found.rule.id, incident=incident, mode=mode.value)
        room = self._policy.caps.subjects_per_hour - await self._watch.recent(organisation, now - HOUR)
        for step in plan(found, [each.step() for each in document.actions], mode, room):
            await self._begin(organisation, incident, step, known)

    async def mode(self, organisation: str, playbook: str) -> Mode:
        """Its own, else the policy's."""
        own = await self._watch.get(organisation, "mode", playbook)
        if own is not None:
            return Mode(own.state)
        named = self._policy.named(playbook)
        return named.mode if named else Mode.OBSERVE

    async def tend(self) -> int:
        """Goes on with what was begun, and takes back what has run out; how many. Raises Unavailable."""
        now = self._clock.now()
        open_states = [State.DOING.value, State.UNDOING.value]
        begun = await self._watch.due("action", open_states, now, _AT_ONCE)
        ended = await self._watch.due("action", [State.DONE.value], now, _AT_ONCE)
        for case in begun:
            await (self.carry_out(case) if case.state == State.DOING else self.take_back(case))
        for case in ended:
            turned = replace(case, state=State.UNDOING.value, due=now)
            if await self._watch.move(turned, [State.DONE.value]):
                await self.take_back(turned, "expired")
        return len(begun) + len(ended)

    async def _begin(self, organisation: str, incident: str, step: Planned, known: Mapping[str, str]) -> None:
        now = self._clock.now()
        facts = {"subject": step.subject, "brand": known.get("brand", "")}
        user = known.get("user", "")
        sealed = await self._names.seal(organisation, user, facts, now)
        kind = KINDS[step.do]
        body = {
            "do": step.do,
            "subject_kind": kind.subject,
            "sealed": sealed,
            "why": step.why,
            "seconds": step.seconds,
            "capped": "yes" if kind.capped else "no",
            "inverse": kind.inverse,
            "attempts": 0,
        }
        due = now + RETRY_SECONDS if step.state is State.DOING else 0.0
        case = Case(organisation, "action", step.action_id, step.state.value, body, incident, now, due)
        # The first one to put it does it; found again after a crash, `tend` goes on with it.
        if await self._watch.put(case) and step.state is State.DOING:
            await self.carry_out(case)

    async def carry_out(self, case: Case, *, approved: bool = False) -> Case:
        """An action in DOING; what fails is tried again by `tend`."""
        names = await self._names.open(WatchedKeys(self._watch, case.organisation), str(case.document["sealed"]))
        approved = approved or case.document.get("approved") == "yes"
        await self._action(case, "asked")
        try:
            if not names:
                return await self._settled(case, State.FAILED, why="erased")
            await self._hands.do(str(case.document["do"]), _order(case, names, approved=approved))
        except NeedsApprovalError:
            return await self._settled(case, State.WAITING, why="last_admin")
        except KitError as error:
            logger().warning("audit.action_failed", action=str(case.document["do"]), error_class=type(error).__name__)
            return await self._again(case)
        return await self._settled(case, State.DONE, why="")

    async def take_back(self, case: Case, why: str = "undone") -> Case:
        """An action in UNDOING."""
        names = await self._names.open(WatchedKeys(self._watch, case.organisation), str(case.document["sealed"]))
        try:
            if not names:
                return await self._settled(case, State.FAILED, why="erased")
            await self._hands.undo(str(case.document["do"]), _order(case, names, approved=True))
        except KitError as error:
            logger().warning("audit.undo_failed", action=str(case.document["do"]), error_class=type(error).__name__)
            return await self._again(case)
        return await self._settled(case, State.UNDONE, why=why)

    async def _again(self, case: Case) -> Case:
        attempts = int(case.document.get("attempts", 0)) + 1
        if attempts >= MOST_ATTEMPTS and case.state == State.DOING:
            return await self._settled(case, State.FAILED, why="unavailable")
        # An undo is tried for ever: nobody stays blocked because a peer was away.
        later = self._clock.now() + RETRY_SECONDS * min(attempts, MOST_ATTEMPTS)
        moved = replace(case, due=later, document={**case.document, "attempts": attempts})
        await self._watch.move(moved, [case.state])
        return moved

    async def _settled(self, case: Case, state: State, *, why: str) -> Case:
        now, seconds = self._clock.now(), float(case.document["seconds"])
        body = {**case.document, "why": why}
        due = 0.0
        if state is State.DONE:
            body["done_at"] = now
            due = now + seconds if seconds else 0.0
        moved = replace(case, state=state.value, due=due, document=body)
        if await self._watch.move(moved, [case.state]):
            count("hauberk.actions", action=str(case.document["do"]), state=state.value)
            await self._action(moved, state.value)
            if state is State.DONE and case.document["capped"] == "yes":
                await self._contained(case.organisation, case.parent, now)
        return moved

    async def _contained(self, organisation: str, incident: str, now: float) -> None:
        found = await self._watch.get(organisation, "incident", incident)
        if found is not None and found.state == "new":
            body = {**found.document, "contained_at": now}
            await self._watch.move(replace(found, state="contained", document=body), ["new"])

    async def _action(self, case: Case, what: str) -> None:
        facts = {"action": str(case.document["do"]), "action_id": case.id, "state": what}
        await self._said(case.organisation, "incident_action", case.parent, facts)

    async def _said(self, organisation: str, name: str, incident: str, facts: dict[str, str]) -> None:
        """On record first. The policy is who acts here; a person who decides is in the event of his call."""
        record = Record(
            event_id=f"{secrets.token_hex(8)}/audit/{name}/{secrets.token_hex(6)}",
            kind=CRITICAL,
            code=f"audit.{name}",
            at_us=int(self._clock.now() * 1_000_000),
            outcome="DENY",
            reason="UNSPECIFIED",
            organisation=organisation,
            actor="audit",
            service="audit",
            facts=tuple(sorted({**facts, "incident": incident, "initiator": "policy"}.items())),
        )
        await self._report([record])


def _order(case: Case, names: dict[str, str], *, approved: bool) -> Order:
    return Order(
        case.organisation,
        names.get("subject", ""),
        names.get("brand", ""),
        f"{case.parent}/{case.id}",
        approved=approved,
    )
