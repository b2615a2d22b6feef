"""Managing brands and members: who may, and what must stay true.

Permission is decided on facts read now, not remembered ones. What is refused here is an error status, because these
methods answer with what was done, not with a decision.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

from services.kit import pages
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.tenancy.given import circumstances
from services.tenancy.policy import (
    Brand,
    Cause,
    Member,
    Resource,
    Standing,
    authorize,
    leaves_no_owner,
    touches_owner,
)
from services.tenancy.policysets import PolicySets
from services.tenancy.ports import FactsReader, Leavers, Review, TenancyStore

_MESSAGES = {
    Cause.ORGANISATION_SUSPENDED: "the organisation is suspended",
    Cause.NOT_PERMITTED: "this caller has no permission to do that",
    Cause.POLICY_ERROR: "the permission could not be evaluated, which denies",
    Cause.STEP_UP_REQUIRED: "this needs a stronger or more recent authentication",
}


class Directory:
    """Brands and members of the caller's organisation."""

    def __init__(
        self,
        store: TenancyStore,
        remembered: FactsReader,
        sets: PolicySets,
        zones: Collection[str],
        clock: Clock,
        leavers: Leavers,
    ) -> None:
        self._store = store
        self._remembered = remembered
        self._sets = sets
        self._zones = zones
        self._clock = clock
        self._leavers = leavers

    async def put_brand(self, caller: Caller, brand: Brand) -> Brand:
        """Creates or changes a brand."""
        if brand.zone not in self._zones:
            raise InvalidArgument.of("brand.zone", "must be an IANA time zone, e.g. Europe/Berlin")
        await self._permitted(caller, "brands.manage")
        try:
            return await self._store.put_brand(caller, brand)
        finally:  # also when the answer is lost: the change may have happened
            self._remembered.forget(caller.organisation)

    async def list_brands(self, caller: Caller, size: int, token: str) -> tuple[tuple[Brand, ...], str]:
        """A page of the brands that the caller's membership reaches."""
        start = after("brands", token)
        member = (await self._permitted(caller, "brands.read")).member
        only = None if member and member.all_brands else member.brands if member else frozenset[str]()
        rows = await self._store.list_brands(caller, only, start, pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        return shown, pages.encode("brands", shown[-1].brand) if len(rows) > len(shown) else ""

    async def put_member(self, caller: Caller, member: Member) -> Member:
        """Adds a member or sets what it may do."""
        if not self._sets.defaults.knows_roles(member.roles):
            raise InvalidArgument.of("member.roles", "each must be a role of the policy")
        standing = await self._permitted(caller, "members.manage")
        try:
            return await self._store.put_member(caller, member, self._review(caller, standing, member.user, member))
        finally:
            self._remembered.forget(caller.organisation)

    async def remove_member(self, caller: Caller, user: str, token: str) -> bool:
        """Removes a member and revokes what was issued to them; False when there was none.

        Raises Unavailable also when only the revocation failed. Asked again, it is made then: also for nobody.
        """
        standing = await self._permitted(caller, "members.manage")
        try:
            existed = await self._store.remove_member(caller, user, self._review(caller, standing, user, None))
        finally:
            self._remembered.forget(caller.organisation)
        await self._leavers.ended(token, user)
        return existed

    async def list_members(self, caller: Caller, size: int, token: str) -> tuple[tuple[Member, ...], str]:
        """A page of members."""
        start = after("members", token)
        await self._permitted(caller, "members.manage")
        rows = await self._store.list_members(caller, start, pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        return shown, pages.encode("members", shown[-1].user) if len(rows) > len(shown) else ""

    def _review(self, caller: Caller, standing: Standing, user: str, wanted: Member | None) -> Review:
        own = Resource("Organisation", caller.organisation, caller.organisation)
        given = circumstances(caller, standing, self._clock.now())
        # What belongs to owners is decided by the defaults alone.
        manages_owners = authorize(self._sets.defaults, standing, "owners.manage", own, given).allowed

        def review(before: Member | None, owners: frozenset[str]) -> None:
            if touches_owner(before, wanted) and not manages_owners:
                refuse(Cause.NOT_PERMITTED)
            if leaves_no_owner(owners, user, wanted):
                raise FailedPrecondition("LAST_OWNER", "an organisation keeps at least one owner of all its brands")

        return review

    async def _permitted(self, caller: Caller, action: str) -> Standing:
        standing = (await self._store.facts(caller)).standing
        own = Resource("Organisation", caller.organisation, caller.organisation)
        engine = await self._sets.engine(caller, standing)
        decision = authorize(engine, standing, action, own, circumstances(caller, standing, self._clock.now()))
        if standing is None or not decision.allowed:
            refuse(decision.cause)
        return standing


def refuse(cause: Cause) -> NoReturn:
    """Says why a method of management does not do what was asked."""
    raise PermissionDenied(_MESSAGES[cause], reason=cause.name)


def after(kind: str, token: str) -> str:
    """Where a page begins; raises InvalidArgument."""
    try:
        return pages.decode(kind, token)
    except pages.BadTokenError:
        raise InvalidArgument.of("page_token", "must be a token of this list") from None
