"""One caller's permissions for a while: facts and policies are read once, then asked about many resources."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from services.kit.caller import Caller
from services.kit.clock import Clock
from services.tenancy.flows.given import circumstances
from services.tenancy.flows.policysets import PolicySets
from services.tenancy.policy import Circumstances, Decision, Engine, Resource, Standing, authorize_all
from services.tenancy.policy.planning import plan_for
from services.tenancy.policy.retrieval import Plan
from services.tenancy.ports import FactsReader, TenancyStore

_PLANS = 2048
_plans: OrderedDict[Hashable, Plan] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What decides for one caller now."""

    engine: Engine
    standing: Standing | None
    given: Circumstances

    def all(self, questions: Sequence[tuple[str, Resource | None]]) -> list[Decision]:
        """May the caller do these?"""
        return authorize_all(self.engine, self.standing, questions, self.given)

    def one(self, action: str, resource: Resource | None) -> Decision:
        """May the caller do this?"""
        return self.all([(action, resource)])[0]

    def every(self, action: str, resources: Collection[Resource]) -> bool:
        """Whether the caller may do this to all of them."""
        return all(decision.allowed for decision in self.all([(action, resource) for resource in resources]))

    def plan(self, action: str, kind: str) -> Plan:
        """On which rows of a type may the caller do this?"""
        # Keyed by all that goes in, so that nothing has to be invalidated.
        key = (self.engine.version, self.standing, action, kind, self.given)
        found = _plans.get(key)
        if found is None:
            found = _plans[key] = plan_for(self.engine, self.standing, action, kind, self.given)
            if len(_plans) > _PLANS:
                _plans.popitem(last=False)
        return found


class Judge:
    """Reads what a judgement rests on."""

    def __init__(self, store: TenancyStore, remembered: FactsReader, sets: PolicySets, clock: Clock) -> None:
        self._store = store
        self._remembered = remembered
        self._sets = sets
        self._clock = clock

    async def remembered(self, caller: Caller) -> Judgement:
        """On facts at most seconds old: for reading."""
        return await self._of(caller, (await self._remembered.facts(caller)).standing)

    async def fresh(self, caller: Caller) -> Judgement:
        """On facts read now: for changing."""
        return await self._of(caller, (await self._store.facts(caller)).standing)

    async def _of(self, caller: Caller, standing: Standing | None) -> Judgement:
        engine = await self._sets.engine(caller, standing)
        return Judgement(engine, standing, circumstances(caller, standing, self._clock.now()))
