"""What brands, members, settings and invitations need from the outside; failures as `ports` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.kit.caller import Caller
from services.tenancy.policy import Brand, Member
from services.tenancy.policy.invitations import Invitation, Settings

Change = Callable[[Member | None, frozenset[str]], Member | None]
"""Looks at the member as it is (None: nobody) and at all owners who reach the whole organisation; says how it is to be
(None: gone). Raises a KitError to refuse."""


class Members(Protocol):
    """The members of the caller's organisation."""

    async def change_member(self, caller: Caller, user: str, change: Change) -> tuple[Member | None, Member | None]:
        """Makes it what `change` says, and no owner changes meanwhile; as it was, and as it is.
        Raises InvalidArgument when a brand is not one of the organisation."""
        ...

    async def get_member(self, caller: Caller, user: str) -> Member | None:
        """None when there is none."""
        ...

    async def list_members(self, caller: Caller, after: str, limit: int) -> tuple[Member, ...]:
        """Up to `limit` members by id, past `after`."""
        ...


class Brands(Protocol):
    """The brands of the caller's organisation. An etag of "" is no condition; else Aborted when it is another now."""

    async def put(self, caller: Caller, brand: Brand) -> Brand:
        """Creates or changes. An empty zone is the default of the settings for a new brand, no change for another."""
        ...

    async def get(self, caller: Caller, brand: str) -> Brand | None:
        """None when there is none."""
        ...

    async def update(self, caller: Caller, brand: str, name: str | None, zone: str | None, etag: str) -> Brand | None:
        """Changes what is given; None when there is none."""
        ...

    async def delete(self, caller: Caller, brand: str, etag: str) -> bool:
        """False when there was none. FailedPrecondition: the last one, or something is in it or limited to it."""
        ...

    async def list(self, caller: Caller, only: frozenset[str] | None, after: str, limit: int) -> tuple[Brand, ...]:
        """Up to `limit` brands by id, past `after`; None as `only` means all."""
        ...


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """What is given is changed."""

    display_name: str | None = None
    default_zone: str | None = None
    invitation_roles: tuple[str, ...] | None = None
    invitation_seconds: int | None = None


class SettingsStore(Protocol):
    """The settings of the caller's organisation."""

    async def get(self, caller: Caller) -> Settings | None:
        """None for an organisation that is not there."""
        ...

    async def update(self, caller: Caller, change: SettingsChange, etag: str) -> Settings | None:
        """As they are now; Aborted when the etag is another by now."""
        ...


@dataclass(frozen=True, slots=True)
class Joined:
    """Of an accepted invitation; `already`: refused, because the user whom it names is a member."""

    organisation: str
    already: bool
    roles: tuple[str, ...]
    brands: tuple[str, ...]


class InvitationStore(Protocol):
    """Invitations. Secrets are known by their digest only."""

    async def create(
        self, caller: Caller, wanted: Invitation, seconds: int, digest: bytes, request_id: str, inviter: str
    ) -> Invitation:
        """The new one, or the one that was made for the same request, which then has this digest instead of its own.

        `inviter` is the etag of the caller's membership that the permission was decided on: Aborted when it is another
        by now. InvalidArgument for an unknown brand, AlreadyExists when the request was another one, FailedPrecondition
        when too many are pending or the user is a member.
        """
        ...

    async def page(self, caller: Caller, after: str, limit: int) -> tuple[Invitation, ...]:
        """Up to `limit` by id, past `after`."""
        ...

    async def delete(self, caller: Caller, invitation: str, etag: str) -> bool:
        """False when there was none; Aborted when the etag is another by now."""
        ...

    async def accept(self, digest: bytes, user: str) -> Joined | None:
        """Makes the user a member, once, whoever else tries meanwhile. None for whatever cannot be accepted. One store
        call; safe to repeat by the same user."""
        ...
