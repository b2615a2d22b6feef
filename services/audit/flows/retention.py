"""A retention run: everything that is past its time, type by type, in small transactions.

It may be broken off at any moment: each batch stands by itself, and the next run goes on, with the same moment that
ages are counted from. Holds are read before every batch.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from services.audit.flows.retention_ports import HoldRow, Journal, RunRow
from services.audit.flows.retention_trail import Progress, Trail
from services.audit.policy import Record
from services.audit.policy.retention import RetentionPolicy, due
from services.kit.clock import Clock
from services.kit.retention import Due, Expirer, Hold, Owned

BATCH = 1000
Look = Callable[[RetentionPolicy], Awaitable[Sequence[str]]]
"""Says what of the volatile data is there longer than the policy allows."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run would do with one type."""

    name: str
    rows: int
    watched: bool = False


class Retention:
    """`doors` are by service; `plans` tells each organisation's plan; `look` checks what goes by itself."""

    def __init__(
        self,
        owned: Sequence[Owned],
        doors: Mapping[str, Expirer],
        journal: Journal,
        trail: Trail,
        clock: Clock,
        plans: Callable[[], AsyncIterator[tuple[str, str]]],
        look: Look,
    ) -> None:
        self._owned, self._doors, self._journal, self._trail = owned, doors, journal, trail
        self._clock, self._plans, self._look = clock, plans, look
        self._watched = {each.name for own in owned for each in own.rows if each.watched}
        self._service = {each.name: own.service for own in owned for each in own.rows}

    async def plan(self, policy: RetentionPolicy) -> tuple[list[Planned], list[str]]:
        """What a run would delete now, by type, and the months of the trail that it would archive or drop."""
        now, holds = self._clock.now(), await self._holds()
        counts: dict[str, int] = {}
        for each in due(policy, self._owned, await self._by_plan(), now):
            counts[each.name] = counts.get(each.name, 0) + await self._door(each).count(each, holds)
        found = [Planned(name, count, name in self._watched) for name, count in counts.items()]
        return found, await self._trail.due(policy.trail, now)

    async def run(self, policy: RetentionPolicy, progress: Progress) -> RunRow:
        """Deletes. Raises BusyError when another run is at work, Unavailable; what was done until then stays done."""
        async with self._journal.alone():
            run = await self._begun(policy)
            problems: list[str] = []
            for each in due(policy, self._owned, await self._by_plan(), run.at):
                if each.name in self._watched:
                    left = await self._door(each).count(each, ())
                    problems += [f"{each.name}: {left} rows that the service should have deleted"] if left else []
                else:
                    await self._delete(each, run, progress)
            done = await self._trail.run(policy.trail, run.at, progress)
            for month in done.months:
                run.gone[f"trail.{month}"] = 1
            events = sum(done.dropped.values())
            if events:
                run.gone["audit.events"] = run.gone.get("audit.events", 0) + events
            problems += [*done.problems, *await self._look(policy)]
            run.problems, run.finished = tuple(problems), self._clock.now()
            facts = [_event(self._clock, "dropped", whose, {"rows": str(n)}) for whose, n in done.dropped.items()]
            total = {"run": run.run_id, "rows": str(sum(run.gone.values())), "problem": str(len(problems))}
            await self._journal.report([*facts, _event(self._clock, "run", "", total)])
            await self._journal.note(run)
            return run

    async def hold(self, organisation: str, subject: str, reason: str, operator: str) -> HoldRow:
        """Places a legal hold; on record, without saying who the subject is."""
        hold = HoldRow(organisation, f"hold_{secrets.token_hex(8)}", subject, reason, operator, self._clock.now())
        await self._journal.place_hold(hold)
        facts = {"hold": hold.hold_id, "scope": "subject" if subject else "organisation"}
        await self._journal.report([_event(self._clock, "held", organisation, facts)])
        return hold

    async def release(self, hold_id: str, operator: str) -> str | None:
        """Releases a hold; on record before it counts for a run. None when no such hold stands."""
        standing = {hold.hold_id: hold.organisation for hold in await self._journal.holds()}
        if hold_id not in standing:
            return None
        await self._journal.report([_event(self._clock, "released", standing[hold_id], {"hold": hold_id})])
        return await self._journal.release_hold(hold_id, operator)

    async def _begun(self, policy: RetentionPolicy) -> RunRow:
        """A run that was broken off goes on, unless the policy is another one by now, or the next run is due anyway."""
        last, now = await self._journal.last(finished=False), self._clock.now()
        fresh = last is not None and now - last.at < policy.run_every
        if last is not None and fresh and last.finished is None and last.policy == policy.digest():
            return last
        run = RunRow(f"run_{secrets.token_hex(8)}", policy.digest(), now, now)
        await self._journal.begin(run)
        return run

    async def _delete(self, each: Due, run: RunRow, progress: Progress) -> None:
        while True:
            gone = await self._door(each).delete(each, await self._holds(), BATCH)
            if gone:
                run.gone[each.name] = run.gone.get(each.name, 0) + gone
                progress(each.name, gone)
                await self._journal.note(run)
            if gone < BATCH:
                return
            await asyncio.sleep(0)

    async def _holds(self) -> list[Hold]:
        return [Hold(hold.organisation, hold.subject) for hold in await self._journal.holds()]

    async def _by_plan(self) -> dict[str, str]:
        return {organisation: plan async for organisation, plan in self._plans()}

    def _door(self, each: Due) -> Expirer:
        return self._doors[self._service[each.name]]


def _event(clock: Clock, what: str, organisation: str, facts: Mapping[str, str]) -> Record:
    """What a run does is a critical event, of the chain that it concerns."""
    return Record(
        event_id=f"{secrets.token_hex(8)}/audit/retention/{secrets.token_hex(6)}",
        kind="critical",
        code=f"audit.retention_{what}",
        at_us=int(clock.now() * 1_000_000),
        outcome="ALLOW",
        reason="NONE",
        organisation=organisation,
        actor="operator",
        service="audit",
        facts=tuple(sorted((name, value) for name, value in facts.items() if value)),
        sealed=(),
    )
