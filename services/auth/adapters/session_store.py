"""Sessions in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from services.auth.policy.epochs import Mark
from services.auth.policy.sessions import SessionRecord
from services.auth.ports.sessions import NewSession
from services.kit import epochs as naming
from services.kit.caller import Authentication, KeyLimit
from services.kit.postgres import Connection, Database, Proven
from services.kit.telemetry import span

_COLUMNS: LiteralString = (
    "(s).session_id, (s).org_id, (s).subject, (s).brand, (s).scopes, (s).credential_id, (s).epochs, (s).created_at,"
    " (s).expires_at, (s).last_seen_at, (s).idle_seconds, (s).roles, (s).token_id, (s).authentication, (s).limits,"
    " (s).addresses, (s).network, (s).agent, (s).revoked_at, (s).rotated_to"
)
_BY_DIGEST: LiteralString = (
    "SELECT " + _COLUMNS + ", ends_at"  # noqa: S608 - constants only
    " FROM unnest(%s::bytea[]) AS d, LATERAL auth.session_by_digest(d) AS found (s, ends_at) LIMIT 1"
)
_FIND: LiteralString = (
    "SELECT " + _COLUMNS + ", NULL FROM auth.sessions AS s"  # noqa: S608 - constants only
    " WHERE s.org_id = hauberk.current_org() AND s.session_id = %s"
)
# Alive as `policy.sessions.decide` has it, for what only the store can count.
_LIVE: LiteralString = (
    " s.org_id = hauberk.current_org() AND s.subject = %(subject)s AND s.revoked_at IS NULL"
    " AND s.expires_at > %(now)s AND s.last_seen_at + make_interval(secs => s.idle_seconds) > %(now)s"
    " AND NOT EXISTS (SELECT FROM auth.epochs AS e WHERE e.org_id = s.org_id"
    "   AND e.name IN (SELECT jsonb_object_keys(s.epochs)) AND e.epoch > (s.epochs ->> e.name)::bigint)"
    " AND NOT EXISTS (SELECT FROM auth.api_keys AS k WHERE k.org_id = s.org_id AND k.key_id = s.credential_id"
    "   AND (k.epoch > coalesce((s.epochs ->> ('k:' || k.key_id))::bigint, 0)"
    "        OR least(k.revoked_at, k.expires_at, k.grace_until) <= %(now)s))"
)
_COUNT: LiteralString = "SELECT count(*) FROM auth.sessions AS s WHERE" + _LIVE  # noqa: S608 - constants only
_NEXT: LiteralString = (
    " AND (s.created_at, s.session_id) > (%(after)s, %(id)s) ORDER BY s.created_at, s.session_id LIMIT %(size)s"
)
_PAGE: LiteralString = (
    "SELECT " + _COLUMNS + ", NULL FROM auth.sessions AS s WHERE" + _LIVE + _NEXT  # noqa: S608 - constants only
)
_INSERT: LiteralString = (
    "INSERT INTO auth.sessions (org_id, session_id, digest, pepper, subject, brand, scopes, roles, credential_id,"
    " token_id, epochs, authentication, limits, addresses, created_at, expires_at, last_seen_at, idle_seconds, network,"
    " agent) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::cidr[], %s, %s, %s, %s, %s, %s)"
)
_END: LiteralString = (
    "UPDATE auth.sessions SET revoked_at = %s, rotated_to = %s"
    " WHERE org_id = hauberk.current_org() AND session_id = %s AND revoked_at IS NULL"
    " RETURNING expires_at"
)
_RISE: LiteralString = (
    "INSERT INTO auth.epochs AS e (org_id, name, epoch, raised_at, expires_at)"
    " VALUES (hauberk.current_org(), %s, 1, clock_timestamp(), %s)"
    " ON CONFLICT (org_id, name) DO UPDATE SET epoch = e.epoch + 1,"
    " raised_at = greatest(e.raised_at, clock_timestamp())"
    " RETURNING epoch, extract(epoch FROM raised_at)"
)
_FORGET: LiteralString = (
    "DELETE FROM auth.sessions WHERE org_id = hauberk.current_org() AND subject = %(subject)s"
    " AND expires_at < %(now)s - interval '30 days'"
)
_SEEN: LiteralString = (
    "UPDATE auth.sessions AS s SET last_seen_at = u.at FROM unnest(%s::text[], %s::timestamptz[]) AS u (id, at)"
    " WHERE s.org_id = hauberk.current_org() AND s.session_id = u.id AND s.last_seen_at < u.at AND s.revoked_at IS NULL"
)


class PostgresSessionStore:
    """`services.auth.ports.sessions.SessionStore` over the schema `auth`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_digest(self, digests: Sequence[bytes]) -> SessionRecord | None:
        """Through the one function that may look across organisations."""
        with span("auth session by digest"):
            async with self._database.anonymous() as connection:
                return await _one(connection, _BY_DIGEST, [list(digests)])

    async def open(self, proof: Proven, new: NewSession, most: int) -> bool:
        """Counted under a lock of its user's own, so that the last free place is given once."""
        record = new.record
        values = {"subject": record.subject, "now": _moment(record.created_at)}
        async with self._database.tenant(proof) as connection:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('auth.sessions:' || %s || ':' || %s, 0))",
                [record.organisation, record.subject],
            )
            row = await (await connection.execute(_COUNT, values)).fetchone()
            if row is None or row[0] >= most:
                return False
            await connection.execute(_FORGET, values)
            await _insert(connection, new)
        return True

    async def find(self, proof: Proven, session_id: str) -> SessionRecord | None:
        """One row of the tenant."""
        async with self._database.tenant(proof) as connection:
            return await _one(connection, _FIND, [session_id])

    async def replace(self, proof: Proven, old: SessionRecord, new: NewSession) -> Mark | None:
        """The row's own lock lets one of several be first; the others find it ended."""
        async with self._database.tenant(proof) as connection:
            mark = await _end(connection, old.session_id, new.record.created_at, new.record.session_id)
            if mark is not None:
                await _insert(connection, new)
        return mark

    async def revoke(self, proof: Proven, session_id: str, now: float) -> Mark | None:
        """Row and epoch together."""
        async with self._database.tenant(proof) as connection:
            return await _end(connection, session_id, now, "")

    async def page(
        self, proof: Proven, subject: str, after: tuple[float, str] | None, size: int, now: float
    ) -> list[SessionRecord]:
        """By the index that leads with tenant and user."""
        created_at, session_id = after or (0.0, "")
        values = {"subject": subject, "now": _moment(now), "after": _moment(created_at), "id": session_id, "size": size}
        async with self._database.tenant(proof) as connection:
            rows = await (await connection.execute(_PAGE, values)).fetchall()
        return [_record(row) for row in rows]

    async def seen(self, proof: Proven, uses: Mapping[str, float]) -> None:
        """One statement for all sessions of the organisation."""
        async with self._database.tenant(proof) as connection:
            await connection.execute(_SEEN, [list(uses), [_moment(at) for at in uses.values()]])


async def _insert(connection: Connection, new: NewSession) -> None:
    record = new.record
    await connection.execute(
        _INSERT,
        [
            record.organisation,
            record.session_id,
            new.digest.value,
            new.digest.pepper,
            record.subject,
            record.brand,
            sorted(record.scopes),
            sorted(record.roles),
            record.credential_id,
            record.token_id,
            json.dumps(dict(record.epochs)),
            json.dumps(asdict(record.authentication)),
            json.dumps([asdict(limit) for limit in record.limits]),
            [str(network) for network in record.addresses],
            _moment(record.created_at),
            _moment(record.expires_at),
            _moment(record.last_seen_at),
            record.idle_seconds,
            record.network,
            record.agent,
        ],
    )


async def _end(connection: Connection, session_id: str, now: float, rotated_to: str) -> Mark | None:
    """None when it was ended before. Its epoch may go when nothing that names the session can be alive any more."""
    ended = await (await connection.execute(_END, [_moment(now), rotated_to, session_id])).fetchone()
    if ended is None:
        return None
    values = [naming.session(session_id), ended[0] + timedelta(days=1)]
    row = await (await connection.execute(_RISE, values)).fetchone()
    assert row is not None  # noqa: S101 - an upsert that returns nothing raised before
    return Mark(int(row[0]), float(row[1]))


async def _one(connection: Connection, statement: LiteralString, values: list[Any]) -> SessionRecord | None:
    row = await (await connection.execute(statement, values)).fetchone()
    return None if row is None else _record(row)


def _record(row: tuple[Any, ...]) -> SessionRecord:
    proof = row[13]
    return SessionRecord(
        session_id=row[0],
        organisation=row[1],
        subject=row[2],
        brand=row[3],
        scopes=frozenset(row[4]),
        credential_id=row[5],
        epochs={str(name): int(epoch) for name, epoch in row[6].items()},
        created_at=row[7].timestamp(),
        expires_at=row[8].timestamp(),
        last_seen_at=row[9].timestamp(),
        idle_seconds=int(row[10]),
        roles=frozenset(row[11]),
        token_id=row[12],
        authentication=Authentication(proof["acr"], tuple(proof["amr"]), int(proof["auth_time"])),
        limits=tuple(KeyLimit(**limit) for limit in row[14]),
        addresses=tuple(row[15]),
        network=row[16],
        agent=row[17],
        revoked_at=_seconds(row[18]),
        rotated_to=row[19],
        key_ends_at=_seconds(row[20]),
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
