"""The settings that an organisation makes for itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from services.kit.caller import Caller
from services.kit.errors import InvalidArgument, NotFound
from services.tenancy.flows.masks import chosen
from services.tenancy.flows.permits import Permits
from services.tenancy.policy.invitations import Settings
from services.tenancy.ports.directory import SettingsChange, SettingsStore

_FIELDS = frozenset({"display_name", "default_zone", "invitation_roles", "invitation_ttl"})
_KEPT = frozenset({"plan", "created_at", "updated_at", "etag"})


@dataclass(frozen=True, slots=True)
class SettingsUpdate:
    """What to change, and which fields; `invitation_ttl` in seconds, 0 = not said."""

    display_name: str
    default_zone: str
    invitation_roles: tuple[str, ...]
    invitation_ttl: int
    paths: tuple[str, ...]
    etag: str


class OwnSettings:
    """Read by every member, changed by whoever manages both members and brands."""

    def __init__(self, permits: Permits, store: SettingsStore, zones: Collection[str]) -> None:
        self._permits = permits
        self._store = store
        self._zones = zones

    async def get(self, caller: Caller) -> Settings:
        """As they are now."""
        await self._permits.permitted(caller, "brands.read")
        return _there(await self._store.get(caller))

    async def update(self, caller: Caller, update: SettingsUpdate) -> Settings:
        """Changes the named ones."""
        fields = chosen(update.paths, _FIELDS, _KEPT, (name for name in _FIELDS if getattr(update, name)))
        change = self._change(update, fields)
        await self._permits.permitted(caller, "members.manage", "brands.manage")
        return _there(await self._store.update(caller, change, update.etag))

    def _change(self, update: SettingsUpdate, fields: Collection[str]) -> SettingsChange:
        if "default_zone" in fields and update.default_zone not in self._zones:
            raise InvalidArgument.of("default_zone", "must be an IANA time zone, e.g. Europe/Berlin")
        if "invitation_roles" in fields:
            self._permits.check_roles(update.invitation_roles, "invitation_roles")
        if "invitation_ttl" in fields and not update.invitation_ttl:
            raise InvalidArgument.of("invitation_ttl", "1 h to 30 days")
        return SettingsChange(
            update.display_name if "display_name" in fields else None,
            update.default_zone if "default_zone" in fields else None,
            update.invitation_roles if "invitation_roles" in fields else None,
            update.invitation_ttl if "invitation_ttl" in fields else None,
        )


def _there(found: Settings | None) -> Settings:
    if found is None:
        raise NotFound("organisation")
    return found
