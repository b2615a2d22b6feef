"""Whether anybody could still manage an organisation's keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import LiteralString

from services.auth.flows.containment import Contained
from services.kit.postgres import Database, Proven

_LOCKS_OUT: LiteralString = (
    "WITH able AS (SELECT k.key_id, k.subject FROM auth.api_keys AS k"
    " WHERE k.org_id = hauberk.current_org() AND k.revoked_at IS NULL AND 'keys.manage' = ANY (k.scopes)"
    " AND coalesce(least(k.expires_at, k.grace_until), 'infinity') > %(now)s"
    " AND NOT EXISTS (SELECT FROM auth.epochs AS e WHERE e.org_id = k.org_id AND e.epoch %% 2 = 1"
    " AND e.name IN ('h:u:' || k.subject, 'h:k:' || k.key_id))),"
    " meant AS (SELECT key_id FROM able WHERE CASE WHEN %(user)s THEN subject = %(name)s ELSE key_id = %(name)s END)"
    " SELECT EXISTS (SELECT FROM meant)"
    " AND NOT EXISTS (SELECT FROM able WHERE key_id NOT IN (SELECT key_id FROM meant))"
)


class PostgresManagers:
    """`services.auth.flows.containment.Managers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def would_lock_out(self, proof: Proven, kind: Contained, name: str, now: float) -> bool:
        """See the port. Without an answer nobody is locked out: the caller learns of no result."""
        values = {"now": datetime.fromtimestamp(now, UTC), "user": kind is Contained.USER, "name": name}
        async with self._database.tenant(proof) as connection:
            row = await (await connection.execute(_LOCKS_OUT, values)).fetchone()
        return row is None or bool(row[0])
