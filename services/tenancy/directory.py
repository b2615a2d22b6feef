"""Managing brands and members: who may, and what must stay true.

Permission is decided on facts read now, not remembered ones. What is refused here is an error status, because these
methods answer with what was done, not with a decision.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

from services.kit import pages
from services.kit.caller import Caller
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.tenancy.policy import (
    Brand,
    Cause,
    Engine,
    Member,
    Resource,
    Standing,
    authorize,
    leaves_no_owner,
    touches_owner,
)
from services.tenancy.ports import FactsReader, Review, TenancyStore

_MESSAGES = {
    Cause.ORGANISATION_SUSPENDED: "the organisation is suspended",
    Cause.NOT_PERMITTED: "this caller has no permission to do that",
    Cause.POLICY_ERROR: "the permission could not be evaluated, which denies",
}


class Directory:
    """Brands and members of the caller's organisation."""

    def __init__(self, store: TenancyStore, remembered: FactsReader, engine: Engine, zones: Collection[str]) -> None:
        self._store = store
        self._remembered = remembered
        self._engine = engine
        self._zones = zones

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
        after = _after("brands", token)
        member = (await self._permitted(caller, "brands.read")).member
        only = None if member and member.all_brands else member.brands if member else frozenset[str]()
        rows = await self._store.list_brands(caller, only, after, pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        return shown, pages.encode("brands", shown[-1].brand) if len(rows) > len(shown) else ""

    async def put_member(self, caller: Caller, member: Member) -> Member:
        """Adds a member or sets what it may do."""
        if not self._engine.knows_roles(member.roles):
            raise InvalidArgument.of("member.roles", "each must be a role of the policy")
        standing = await self._permitted(caller, "members.manage")
        try:
            return await self._store.put_member(caller, member, self._review(caller, standing, member.user, member))
        finally:
            self._remembered.forget(caller.organisation)

    async def remove_member(self, caller: Caller, user: str) -> bool:
        """Removes a member; False when there was none."""
        standing = await self._permitted(caller, "members.manage")
        try:
            return await self._store.remove_member(caller, user, self._review(caller, standing, user, None))
        finally:
            self._remembered.forget(caller.organisation)

    async def list_members(self, caller: Caller, size: int, token: str) -> tuple[tuple[Member, ...], str]:
        """A page of members."""
        after = _after("members", token)
        await self._permitted(caller, "members.manage")
        rows = await self._store.list_members(caller, after, pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        return shown, pages.encode("members", shown[-1].user) if len(rows) > len(shown) else ""

    def _review(self, caller: Caller, standing: Standing, user: str, wanted: Member | None) -> Review:
        own = Resource("Organisation", caller.organisation, caller.organisation)
        manages_owners = authorize(self._engine, standing, "owners.manage", own, caller.scopes).allowed

        def review(before: Member | None, owners: frozenset[str]) -> None:
            if touches_owner(before, wanted) and not manages_owners:
                _refuse(Cause.NOT_PERMITTED)
            if leaves_no_owner(owners, user, wanted):
                raise FailedPrecondition("LAST_OWNER", "an organisation keeps at least one owner of all its brands")

        return review

    async def _permitted(self, caller: Caller, action: str) -> Standing:
        standing = (await self._store.facts(caller)).standing
        own = Resource("Organisation", caller.organisation, caller.organisation)
        decision = authorize(self._engine, standing, action, own, caller.scopes)
        if standing is None or not decision.allowed:
            _refuse(decision.cause)
        return standing


def _refuse(cause: Cause) -> NoReturn:
    raise PermissionDenied(_MESSAGES[cause], reason=cause.name)


def _after(kind: str, token: str) -> str:
    try:
        return pages.decode(kind, token)
    except pages.BadTokenError:
        raise InvalidArgument.of("page_token", "must be a token of this list") from None
