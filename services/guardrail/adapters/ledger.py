"""What was called, in PostgreSQL. One user's calls are decided one after the other, by a lock for the turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.guardrail.policy.calls import Past
from services.kit.caller import Caller
from services.kit.errors import Unavailable
from services.kit.postgres import Connection, Database

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
# The statement after the lock sees what the turn before has left.
_PAST = """
SELECT count(*) FILTER (WHERE c.tool = %(tool)s AND c.txn = %(txn)s),
       count(*) FILTER (WHERE c.tool = %(tool)s AND c.brand = %(brand)s AND c.conversation = %(conversation)s),
       count(*) FILTER (WHERE c.tool = %(tool)s AND c.called_at > clock_timestamp() - interval '1 hour'),
       count(*) FILTER (WHERE c.txn = %(txn)s),
       coalesce((SELECT array_agg(DISTINCT one) FROM guardrail.calls l, unnest(l.labels) one
                  WHERE l.org_id = %(org)s AND l.user_id = %(user)s AND l.brand = %(brand)s
                    AND l.conversation = %(conversation)s), '{}'),
       coalesce((SELECT t.definition_hash FROM guardrail.tools t
                  WHERE t.org_id = %(org)s AND t.tool = %(tool)s AND t.approved_hash = t.definition_hash), '')
  FROM guardrail.calls c
 WHERE c.org_id = %(org)s AND c.user_id = %(user)s
   AND ((c.brand = %(brand)s AND c.conversation = %(conversation)s)
        OR c.called_at > clock_timestamp() - interval '1 hour')
"""
_USE = """
UPDATE guardrail.approvals SET state = 'used', used_txn = %s, sealed = NULL
 WHERE org_id = %s AND approval = %s AND call_digest = %s AND state = 'granted' AND expires_at > clock_timestamp()
"""
_RECORD = """
WITH old AS (DELETE FROM guardrail.calls WHERE org_id = %(org)s AND user_id = %(user)s
                AND called_at < clock_timestamp() - interval '30 days')
INSERT INTO guardrail.calls (org_id, user_id, brand, conversation, txn, tool, labels)
VALUES (%(org)s, %(user)s, %(brand)s, %(conversation)s, %(txn)s, %(tool)s, %(labels)s)
"""


class PostgresTurn:
    """Implements `ports.Turn`."""

    def __init__(self, connection: Connection, caller: Caller) -> None:
        self._connection = connection
        self._caller = caller

    async def past(self, tool: str, conversation: str) -> tuple[Past, str]:
        """See the port."""
        row = await (await self._connection.execute(_PAST, self._facts(tool, conversation))).fetchone()
        if row is None:  # an aggregate without GROUP BY is one row
            raise Unavailable("postgres")
        return Past(row[0], row[1], row[2], row[3], frozenset(row[4])), row[5]

    async def use(self, approval: str, digest: str) -> bool:
        """See the port."""
        values = [self._caller.txn, self._caller.organisation, approval, digest]
        return (await self._connection.execute(_USE, values)).rowcount == 1

    async def record(self, tool: str, conversation: str, labels: Sequence[str]) -> None:
        """See the port."""
        await self._connection.execute(_RECORD, {**self._facts(tool, conversation), "labels": list(labels)})

    def _facts(self, tool: str, conversation: str) -> dict[str, object]:
        return {
            "org": self._caller.organisation,
            "user": self._caller.subject,
            "brand": self._caller.brand,
            "txn": self._caller.txn,
            "tool": tool,
            "conversation": conversation,
        }


class PostgresLedger:
    """Implements `ports.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def turn(self, caller: Caller) -> AsyncIterator[PostgresTurn]:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            await connection.execute(_LOCK, [f"guardrail/{caller.organisation}/{caller.subject}"])
            yield PostgresTurn(connection, caller)
