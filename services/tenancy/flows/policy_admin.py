"""Managing the policies that an organisation writes for itself: who may, what is accepted, what is in force."""

from __future__ import annotations

import asyncio
import hashlib

from services.kit import errors, pages
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.tenancy.flows.directory import after, refuse
from services.tenancy.flows.given import circumstances
from services.tenancy.flows.policysets import PolicySets, dumped, paced
from services.tenancy.flows.trials import Trials
from services.tenancy.flows.turns import Turns
from services.tenancy.policy import Resource, authorize, own
from services.tenancy.ports import (
    Difference,
    FactsReader,
    PolicyStore,
    PolicyText,
    PolicyVersion,
    TenancyStore,
    Use,
)

ACTION = "policies.manage"


class PolicyAdmin:
    """The policies of the caller's organisation. Permission comes from the defaults alone, on facts read now."""

    def __init__(
        self,
        facts: TenancyStore,
        remembered: FactsReader,
        store: PolicyStore,
        sets: PolicySets,
        trials: Trials,
        clock: Clock,
    ) -> None:
        self._facts = facts
        self._remembered = remembered
        self._store = store
        self._sets = sets
        self._trials = trials
        self._clock = clock
        self._turns = Turns(1)

    async def put(self, caller: Caller, source: str, etag: str, use: Use, *, check: bool) -> tuple[PolicyVersion, str]:
        """Checks all of it, then writes a new version (with `check` it writes nothing). InvalidArgument names each
        policy that breaks a rule, and the rule."""
        await self._permitted(caller)
        if self._turns.busy(caller.organisation):
            raise errors.Exhausted("policies of this organisation are being checked already")
        async with self._turns.of(caller.organisation):
            text = await self._reviewed(caller.organisation, source)
        if check:
            return PolicyVersion(0, text.policies, text.digest), etag
        try:
            return await self._store.add(caller, text, use, etag)
        finally:  # also when the answer is lost: the change may have happened
            self._remembered.forget(caller.organisation)

    async def get(self, caller: Caller, number: int) -> tuple[PolicyVersion, str]:
        """A version and its text; none in force is version 0 and no text."""
        await self._permitted(caller)
        found = await self._store.read(caller, number)
        if found is None and number:
            raise errors.NotFound("policy version")
        return found or (PolicyVersion(0), "")

    async def versions(self, caller: Caller, size: int, token: str) -> tuple[tuple[PolicyVersion, ...], str, str]:
        """A page of versions, the token of the next and the etag."""
        before = after("policies", token)
        await self._permitted(caller)
        if before and not (before.isdecimal() and len(before) < 10):
            raise errors.InvalidArgument.of("page_token", "must be a token of this list")
        rows, etag = await self._store.versions(caller, int(before or 0), pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        more = pages.encode("policies", str(shown[-1].number)) if len(rows) > len(shown) else ""
        return shown, more, etag

    async def use(self, caller: Caller, number: int, use: Use, etag: str) -> tuple[PolicyVersion, str]:
        """Puts a version in force, or tries it; 0 = none."""
        await self._permitted(caller)
        try:
            return await self._store.use(caller, number, use, etag)
        finally:
            self._remembered.forget(caller.organisation)

    async def delete(self, caller: Caller, number: int) -> bool:
        """False when there was no such version."""
        await self._permitted(caller)
        return await self._store.delete(caller, number)

    async def differences(self, caller: Caller, number: int) -> tuple[Difference, ...]:
        """What was counted of a tried version, up to now as far as this process knows."""
        await self._permitted(caller)
        await self._trials.flush(caller.organisation)
        found = await self._store.differences(caller, number)
        if found is None:
            raise errors.NotFound("policy version")
        return found

    async def _reviewed(self, organisation: str, source: str) -> PolicyText:
        language = self._sets.defaults.language
        found = await paced(own.read(language, organisation, source))
        broken = found.violations or await asyncio.to_thread(own.validated, language, found.policies)
        if broken:
            raise errors.InvalidArgument(*(errors.Violation(_field(v.policy), v.rule) for v in broken))
        digest = hashlib.sha256(source.encode()).hexdigest()[:32]
        return PolicyText(source, await dumped(found.policies), self._sets.language, digest, len(found.policies))

    async def _permitted(self, caller: Caller) -> None:
        standing = (await self._facts.facts(caller)).standing
        whole = Resource("Organisation", caller.organisation, caller.organisation)
        given = circumstances(caller, standing, self._clock.now())
        decision = authorize(self._sets.defaults, standing, ACTION, whole, given)
        if not decision.allowed:
            refuse(decision.cause)


def _field(policy: str) -> str:
    return policy if policy.startswith("policies") else f"policies.{policy}"
