"""Who owns what: facts are put by who may write them, read from the store or from the product's own backend, and never
from the request that asks for a decision.

Unknown, foreign and hidden are one answer at one cost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.kit import pages
from services.kit.caller import Caller
from services.kit.errors import InvalidArgument, NotFound
from services.tenancy.flows.directory import after, refuse
from services.tenancy.flows.judging import Judge
from services.tenancy.policy import Cause, Resource
from services.tenancy.policy.resources import READ, WRITE, containers, twice
from services.tenancy.ports.resources import Found, Listed, Ref, ResourceOwner, ResourceStore


class Resources:
    """The resources of the caller's organisation. `described` are the types of the schema that have an owner."""

    def __init__(
        self, judge: Judge, store: ResourceStore, owners: Mapping[str, ResourceOwner], described: Collection[str]
    ) -> None:
        self._judge = judge
        self._store = store
        self._owners = owners
        self._described = frozenset(described)

    async def resolve(self, caller: Caller, refs: Collection[Ref]) -> Found:
        """Those that exist in the caller's organisation: one store call, and one call for each backend's type."""
        found: dict[Ref, Resource] = {}
        kept = {ref for ref in refs if ref[0] in self._described and ref[0] not in self._owners}
        if kept:
            found |= {ref: listed.resource for ref, listed in (await self._store.find(caller, kept)).items()}
        for kind, owner in self._owners.items():
            ids = {ref[1] for ref in refs if ref[0] == kind}
            if ids:
                known = await owner.resolve(caller, kind, ids)
                found |= {(kind, name): resource for name, resource in known.items() if name in ids}
        return found

    async def put(self, caller: Caller, resources: Sequence[Resource]) -> int:
        """Creates or replaces: whoever may add to the brand (or the organisation) and may change what was there."""
        self._check(resources)
        judgement = await self._judge.fresh(caller)
        for decision in judgement.all([(WRITE, place) for place in containers(resources)]):
            if not decision.allowed:
                refuse(decision.cause)

        def inspect(before: Collection[Resource]) -> None:
            if not judgement.every(WRITE, before):
                refuse(Cause.NOT_PERMITTED)

        await self._store.put(caller, resources, inspect)
        return len(resources)

    async def get(self, caller: Caller, ref: Ref) -> Listed:
        """Its facts; raises NotFound for what the caller may not read, too."""
        judgement = await self._judge.remembered(caller)
        if ref[0] in self._owners:
            resource = (await self.resolve(caller, [ref])).get(ref)
            listed = Listed(resource, 0.0) if resource else None
        else:
            listed = (await self._store.find(caller, [ref])).get(ref)
        if listed is None or not judgement.one(READ, listed.resource).allowed:
            raise NotFound("resource")
        return listed

    async def list(self, caller: Caller, kind: str, size: int, token: str) -> tuple[Sequence[Listed], str, bool]:
        """A page of the resources of a type that the caller may read, and whether some may be missing."""
        past = after("resources", token)
        if kind in self._owners:
            raise InvalidArgument.of("type", "is kept by a backend of yours, which knows its list")
        plan = (await self._judge.remembered(caller)).plan(READ, kind)
        rows = await self._store.list(caller, kind, plan.filter, past, pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        more = pages.encode("resources", shown[-1].resource.id) if len(rows) > len(shown) else ""
        return shown, more, plan.partial

    async def delete(self, caller: Caller, refs: Collection[Ref]) -> int:
        """Deletes what exists and what the caller may change; what it may not counts as unknown."""
        judgement = await self._judge.fresh(caller)
        return await self._store.delete(caller, refs, lambda resource: judgement.one(WRITE, resource).allowed)

    def _check(self, resources: Sequence[Resource]) -> None:
        if not resources:
            raise InvalidArgument.of("facts", "at least one resource")
        if twice(resources):
            raise InvalidArgument.of("facts", "each resource once")
        for resource in resources:
            if resource.type in self._owners:
                raise InvalidArgument.of("facts.resource.type", "is kept by a backend of yours")
            if resource.type not in self._described:
                raise InvalidArgument.of("facts.resource.type", f"must be one of {', '.join(sorted(self._described))}")
