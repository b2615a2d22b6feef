"""Managing brands and members: who may, and what must stay true.

Permission is decided on facts read now, not remembered ones. What is refused here is an error status, because these
methods answer with what was done, not with a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from services.kit import pages
from services.kit.caller import Caller
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound
from services.tenancy.flows.masks import chosen, hold
from services.tenancy.flows.permits import Permits, after, refuse
from services.tenancy.policy import Brand, Cause, Member, Standing, leaves_no_owner, touches_owner
from services.tenancy.ports import FactsReader, Leavers
from services.tenancy.ports.directory import Brands, Change, Members

__all__ = ["BrandUpdate", "Directory", "MemberUpdate", "after", "refuse"]

_BRAND_FIELDS = frozenset({"display_name", "zone"})
_MEMBER_FIELDS = frozenset({"roles", "brands", "display_name", "suspended"})
_KEPT = frozenset({"created_at", "updated_at", "etag"})
Wanted = Callable[[Member | None], Member | None]


@dataclass(frozen=True, slots=True)
class BrandUpdate:
    """What to change of a brand, and which fields of it."""

    brand: str
    display_name: str
    zone: str
    paths: tuple[str, ...]
    etag: str


@dataclass(frozen=True, slots=True)
class MemberUpdate:
    """What to change of a member, and which fields of it."""

    user: str
    roles: tuple[str, ...]
    brands: frozenset[str]
    display_name: str
    suspended: bool
    paths: tuple[str, ...]
    etag: str

    def fields(self) -> set[str]:
        """The fields to change; raises InvalidArgument."""
        return chosen(self.paths, _MEMBER_FIELDS, _KEPT | {"user"}, _filled(self, _MEMBER_FIELDS))

    def applied(self, to: Member, fields: Collection[str]) -> Member:
        """The member after the change."""
        if "roles" in fields:
            to = replace(to, roles=self.roles)
        if "brands" in fields:
            to = replace(to, brands=self.brands, all_brands=not self.brands)
        if "display_name" in fields:
            to = replace(to, display_name=self.display_name)
        return replace(to, suspended=self.suspended) if "suspended" in fields else to


class Directory:
    """Brands and members of the caller's organisation."""

    def __init__(
        self,
        permits: Permits,
        brands: Brands,
        members: Members,
        remembered: FactsReader,
        zones: Collection[str],
        leavers: Leavers,
    ) -> None:
        self._permits = permits
        self._brands = brands
        self._members = members
        self._remembered = remembered
        self._zones = zones
        self._leavers = leavers

    async def put_brand(self, caller: Caller, brand: Brand) -> Brand:
        """Creates or changes a brand."""
        self._check_zone(brand.zone, "brand.zone")
        await self._permits.permitted(caller, "brands.manage")
        try:
            return await self._brands.put(caller, brand)
        finally:  # also when the answer is lost: the change may have happened
            self._remembered.forget(caller.organisation)

    async def get_brand(self, caller: Caller, name: str) -> Brand:
        """A brand that the caller's membership reaches; NotFound for every other."""
        member = (await self._permits.permitted(caller, "brands.read")).member
        found = await self._brands.get(caller, name)
        if found is None or member is None or not member.may_use(name):
            raise NotFound("brand")
        return found

    async def update_brand(self, caller: Caller, update: BrandUpdate) -> Brand:
        """Changes the named fields."""
        fields = chosen(update.paths, _BRAND_FIELDS, _KEPT | {"brand"}, _filled(update, _BRAND_FIELDS))
        zone = (update.zone or "UTC") if "zone" in fields else None
        self._check_zone(zone or "", "zone")
        await self._permits.permitted(caller, "brands.manage")
        name = update.display_name if "display_name" in fields else None
        try:
            found = await self._brands.update(caller, update.brand, name, zone, update.etag)
        finally:
            self._remembered.forget(caller.organisation)
        if found is None:
            raise NotFound("brand")
        return found

    async def delete_brand(self, caller: Caller, name: str, etag: str, token: str) -> bool:
        """Deletes a brand and revokes what was issued for it; False when there was none.

        Raises Unavailable also when only the revocation failed. Asked again, it is made then: also for nothing.
        """
        await self._permits.permitted(caller, "brands.manage")
        try:
            existed = await self._brands.delete(caller, name, etag)
        finally:
            self._remembered.forget(caller.organisation)
        await self._leavers.brand_ended(token, name)
        return existed

    async def list_brands(self, caller: Caller, size: int, token: str) -> tuple[tuple[Brand, ...], str]:
        """A page of the brands that the caller's membership reaches."""
        start = after("brands", token)
        member = (await self._permits.permitted(caller, "brands.read")).member
        only = None if member and member.all_brands else member.brands if member else frozenset[str]()
        rows = await self._brands.list(caller, only, start, pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        return shown, pages.encode("brands", shown[-1].brand) if len(rows) > len(shown) else ""

    async def put_member(self, caller: Caller, member: Member) -> Member:
        """Adds a member or sets what it may do. A suspended one stays suspended."""
        self._permits.check_roles(member.roles, "member.roles")
        standing = await self._permits.permitted(caller, "members.manage")

        def wanted(before: Member | None) -> Member:
            hold(member.etag, before.etag if before else None)
            name = member.display_name or (before.display_name if before else "")
            return replace(member, display_name=name, suspended=before is not None and before.suspended)

        _, made = await self._change(caller, member.user, self._reviewed(caller, standing, member.user, wanted))
        return made or member

    async def get_member(self, caller: Caller, user: str) -> Member:
        """A member; raises NotFound."""
        await self._permits.permitted(caller, "members.manage")
        found = await self._members.get_member(caller, user)
        if found is None:
            raise NotFound("member")
        return found

    async def update_member(self, caller: Caller, update: MemberUpdate) -> Member:
        """Changes the named fields. A suspension revokes nothing: revocations are for good, and this one ends."""
        fields = update.fields()
        if "roles" in fields:
            self._permits.check_roles(update.roles, "roles")
        standing = await self._permits.permitted(caller, "members.manage")

        def wanted(before: Member | None) -> Member:
            if before is None:
                raise NotFound("member")
            hold(update.etag, before.etag)
            return update.applied(before, fields)

        change = self._reviewed(caller, standing, update.user, wanted)
        _, made = await self._change(caller, update.user, change)
        if made is None:
            raise NotFound("member")
        return made

    async def remove_member(self, caller: Caller, user: str, etag: str, token: str) -> bool:
        """Removes a member and revokes what was issued to them; False when there was none.

        Raises Unavailable also when only the revocation failed. Asked again, it is made then: also for nobody.
        """
        standing = await self._permits.permitted(caller, "members.manage")

        def wanted(before: Member | None) -> None:
            if before is not None:
                hold(etag, before.etag)

        before, _ = await self._change(caller, user, self._reviewed(caller, standing, user, wanted))
        await self._leavers.ended(token, user)
        return before is not None

    async def list_members(self, caller: Caller, size: int, token: str) -> tuple[tuple[Member, ...], str]:
        """A page of members."""
        start = after("members", token)
        await self._permits.permitted(caller, "members.manage")
        rows = await self._members.list_members(caller, start, pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        return shown, pages.encode("members", shown[-1].user) if len(rows) > len(shown) else ""

    async def _change(self, caller: Caller, user: str, change: Change) -> tuple[Member | None, Member | None]:
        try:
            return await self._members.change_member(caller, user, change)
        finally:
            self._remembered.forget(caller.organisation)

    def _reviewed(self, caller: Caller, standing: Standing, user: str, wanted: Wanted) -> Change:
        """What is wanted, when the rules on owners let it."""
        manages_owners = self._permits.manages_owners(caller, standing)

        def change(before: Member | None, owners: frozenset[str]) -> Member | None:
            made = wanted(before)
            if touches_owner(before, made) and not manages_owners:
                refuse(Cause.NOT_PERMITTED)
            if leaves_no_owner(owners, user, made):
                raise FailedPrecondition("LAST_OWNER", "an organisation keeps at least one owner of all its brands")
            return made

        return change

    def _check_zone(self, zone: str, field: str) -> None:
        if zone and zone not in self._zones:
            raise InvalidArgument.of(field, "must be an IANA time zone, e.g. Europe/Berlin")


def _filled(update: object, fields: Iterable[str]) -> set[str]:
    return {field for field in fields if getattr(update, field)}
