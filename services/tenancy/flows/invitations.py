"""Invitations: made by whoever manages members, accepted once by whoever holds the secret."""

from __future__ import annotations

import secrets
from dataclasses import replace

from services.kit import pages
from services.kit.caller import Caller
from services.kit.errors import NotFound
from services.tenancy.flows.permits import Permits, after, refuse
from services.tenancy.policy import Cause
from services.tenancy.policy.invitations import SECRET_BYTES, Invitation, compose, digest_of, may_invite, public_id
from services.tenancy.ports import FactsReader
from services.tenancy.ports.directory import InvitationStore, Joined, SettingsStore


class Invitations:
    """Invitations to the caller's organisation, and their acceptance."""

    def __init__(
        self, permits: Permits, store: InvitationStore, settings: SettingsStore, remembered: FactsReader
    ) -> None:
        self._permits = permits
        self._store = store
        self._settings = settings
        self._remembered = remembered

    async def create(self, caller: Caller, wanted: Invitation, seconds: int, request_id: str) -> tuple[Invitation, str]:
        """The invitation and its secret, which is known to nobody afterwards. `seconds` 0 and no roles: by settings."""
        standing = await self._permits.permitted(caller, "members.manage")
        settings = await self._settings.get(caller)
        if settings is None or standing.member is None:
            raise NotFound("organisation")
        roles = wanted.roles or settings.invitation_roles
        self._permits.check_roles(roles, "roles")
        owners = self._permits.manages_owners(caller, standing)
        if not may_invite(roles, manages_members=True, manages_owners=owners):
            refuse(Cause.NOT_PERMITTED)
        secret = compose(secrets.token_bytes(SECRET_BYTES))
        wanted = replace(wanted, invitation=public_id(secrets.token_bytes(SECRET_BYTES)), roles=roles)
        life = seconds or settings.invitation_seconds
        digest = digest_of(secret) or b""
        made = await self._store.create(caller, wanted, life, digest, request_id, standing.member.etag)
        return made, secret

    async def list(self, caller: Caller, size: int, token: str) -> tuple[tuple[Invitation, ...], str]:
        """A page of invitations, without their secrets."""
        start = after("invitations", token)
        await self._permits.permitted(caller, "members.manage")
        rows = await self._store.page(caller, start, pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        return shown, pages.encode("invitations", shown[-1].invitation) if len(rows) > len(shown) else ""

    async def delete(self, caller: Caller, invitation: str, etag: str) -> bool:
        """Takes one back; False when there was none."""
        await self._permits.permitted(caller, "members.manage")
        return await self._store.delete(caller, invitation, etag)

    async def accept(self, secret: str, user: str) -> Joined | None:
        """Makes the user a member; None for a secret that is not accepted, whatever the cause."""
        digest = digest_of(secret)
        if digest is None:  # whoever sent it can work that out alone
            return None
        joined = await self._store.accept(digest, user)
        if joined is not None:
            self._remembered.forget(joined.organisation)
        return joined
