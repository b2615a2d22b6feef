"""Invitations in PostgreSQL. Accepting precedes the tenant: one function, which knows an invitation by its digest."""

from __future__ import annotations

from typing import Any

from services.kit.caller import Caller
from services.kit.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument
from services.kit.postgres import Connection, Database
from services.tenancy.flows.masks import hold
from services.tenancy.policy.invitations import Invitation, State
from services.tenancy.ports.directory import Joined

MOST_PENDING = 1000
_COLUMNS = """
i.invitation_id, i.user_id, i.roles, i.brands, i.all_brands, i.display_name, i.invited_by,
CASE WHEN i.accepted_at IS NOT NULL THEN 'accepted' WHEN i.voided_at IS NOT NULL THEN 'void'
     WHEN i.expires_at <= clock_timestamp() THEN 'expired' ELSE 'pending' END,
extract(epoch FROM i.created_at)::float8, extract(epoch FROM i.expires_at)::float8, i.accepted_by,
extract(epoch FROM i.changed_at)::float8, i.etag
"""
_GET = f"""
SELECT {_COLUMNS} FROM tenancy.invitations i WHERE i.org_id = %s AND i.invitation_id = %s FOR UPDATE
"""  # noqa: S608 - constants
_SAME = f"""
SELECT {_COLUMNS} FROM tenancy.invitations i
WHERE i.org_id = %s AND i.invited_by = %s AND i.request_id = %s FOR UPDATE
"""  # noqa: S608 - constants
_LIST = f"""
SELECT {_COLUMNS} FROM tenancy.invitations i
WHERE i.org_id = %s AND i.invitation_id > %s ORDER BY i.invitation_id LIMIT %s
"""  # noqa: S608 - constants
_INSERT = f"""
INSERT INTO tenancy.invitations AS i (org_id, invitation_id, digest, user_id, roles, brands, all_brands, display_name,
    invited_by, request_id, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants
_RENEW = f"""
UPDATE tenancy.invitations i SET digest = %s WHERE i.org_id = %s AND i.invitation_id = %s RETURNING {_COLUMNS}
"""  # noqa: S608 - constants
# Held to the end: whoever invites cannot lose their membership, nor make two invitations of one request, meanwhile.
_INVITER = "SELECT m.etag FROM tenancy.members m WHERE m.org_id = %s AND m.user_id = %s FOR NO KEY UPDATE"
_FITS = """
SELECT (SELECT count(*) FROM tenancy.invitations i WHERE i.org_id = %(org)s AND i.accepted_at IS NULL
           AND i.voided_at IS NULL AND i.expires_at > clock_timestamp()),
       (SELECT count(*) FROM tenancy.brands b WHERE b.org_id = %(org)s AND b.brand_id = ANY (%(brands)s)),
       EXISTS (SELECT FROM tenancy.members m WHERE m.org_id = %(org)s AND m.user_id = %(user)s)
"""
_TIDY = "DELETE FROM tenancy.invitations WHERE org_id = %s AND expires_at < clock_timestamp() - interval '30 days'"


class PostgresInvitations:
    """Implements `ports.directory.InvitationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, caller: Caller, wanted: Invitation, seconds: int, digest: bytes, request_id: str, inviter: str
    ) -> Invitation:
        """See the port."""
        org, by = caller.organisation, caller.subject
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_INVITER, [org, by])).fetchone()
            if row is None or row[0] != inviter:
                raise Aborted("MEMBER_CHANGED", "the caller's own membership has just changed: ask again")
            if request_id:
                same = await (await connection.execute(_SAME, [org, by, request_id])).fetchone()
                if same is not None:
                    return await _renewed(connection, org, _invitation(same), wanted, digest)
            await connection.execute(_TIDY, [org])
            await _check(connection, org, wanted)
            values: list[Any] = [org, wanted.invitation, digest, wanted.user, list(wanted.roles), sorted(wanted.brands)]
            values += [wanted.all_brands, wanted.display_name, by, request_id, seconds]
            made = await (await connection.execute(_INSERT, values)).fetchone()
        return _invitation(made) if made else wanted

    async def page(self, caller: Caller, after: str, limit: int) -> tuple[Invitation, ...]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_LIST, [caller.organisation, after, limit])
            return tuple([_invitation(row) async for row in rows])

    async def delete(self, caller: Caller, invitation: str, etag: str) -> bool:
        """See the port."""
        key = [caller.organisation, invitation]
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_GET, key)).fetchone()
            if row is None:
                return False
            hold(etag, _invitation(row).etag)
            await connection.execute("DELETE FROM tenancy.invitations WHERE org_id = %s AND invitation_id = %s", key)
        return True

    async def accept(self, digest: bytes, user: str) -> Joined | None:
        """See the port."""
        async with self._database.anonymous() as connection:
            door = "SELECT its_org, already, its_roles, its_brands FROM tenancy.accept_invitation(%s, %s)"
            row = await (await connection.execute(door, [digest, user])).fetchone()
        return Joined(row[0], row[1], tuple(row[2]), tuple(row[3])) if row else None


async def _renewed(connection: Connection, org: str, made: Invitation, wanted: Invitation, digest: bytes) -> Invitation:
    """Whoever asks again did not get the secret: it gets another one."""
    alike = (made.user, made.roles, made.brands, made.display_name) == (
        wanted.user, wanted.roles, wanted.brands, wanted.display_name
    )  # fmt: skip
    if not alike or made.state is not State.PENDING:
        raise AlreadyExists("an invitation of this request_id")
    row = await (await connection.execute(_RENEW, [digest, org, made.invitation])).fetchone()
    return _invitation(row) if row else made


async def _check(connection: Connection, org: str, wanted: Invitation) -> None:
    values = {"org": org, "brands": sorted(wanted.brands), "user": wanted.user}
    row = await (await connection.execute(_FITS, values)).fetchone()
    pending, brands, member = row or (MOST_PENDING, 0, False)
    if pending >= MOST_PENDING:
        raise FailedPrecondition("TOO_MANY_INVITATIONS", f"at most {MOST_PENDING} invitations may be pending")
    if brands != len(wanted.brands):
        raise InvalidArgument.of("brands", "each must be a brand of the organisation")
    if member:
        raise FailedPrecondition("ALREADY_MEMBER", "this user is a member already")


def _invitation(row: tuple[Any, ...]) -> Invitation:
    name, user, roles, brands, all_brands, display_name, by, state, *times = row
    return Invitation(name, user, tuple(roles), frozenset(brands), all_brands, display_name, by, State(state), *times)
