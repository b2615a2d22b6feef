"""Approvals of single calls in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from services.guardrail.policy.approvals import Approval, Call, State
from services.guardrail.policy.traits import Approver
from services.kit.caller import Caller
from services.kit.postgres import Database

_COLUMNS = """
approval, CASE WHEN state IN ('waiting', 'granted') AND expires_at <= clock_timestamp() THEN 'expired' ELSE state END,
tool, definition_hash, arguments_sha256, conversation, call_digest, user_id, brand, reason, approver,
extract(epoch FROM requested_at)::float8, extract(epoch FROM expires_at)::float8, decided_by,
CASE WHEN state IN ('waiting', 'granted') AND expires_at > clock_timestamp() THEN sealed END
"""
# What nobody needs to read any more is taken away; what is long over goes whole.
_TIDY = """
WITH gone AS (DELETE FROM guardrail.approvals WHERE org_id = %(org)s AND user_id = %(user)s
                 AND expires_at < clock_timestamp() - interval '90 days')
UPDATE guardrail.approvals SET sealed = NULL
 WHERE org_id = %(org)s AND sealed IS NOT NULL AND expires_at <= clock_timestamp()
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_SAME = """
SELECT approval FROM guardrail.approvals
 WHERE org_id = %s AND user_id = %s AND call_digest = %s AND state IN ('waiting', 'granted')
   AND expires_at > clock_timestamp()
"""
_ASK = """
INSERT INTO guardrail.approvals (org_id, approval, state, call_digest, tool, definition_hash, arguments_sha256,
    conversation, user_id, brand, reason, approver, sealed, expires_at)
SELECT %(org)s, %(id)s, 'waiting', %(digest)s, %(tool)s, %(definition)s, %(arguments)s, %(conversation)s, %(user)s,
       %(brand)s, %(reason)s, %(approver)s, %(sealed)s, clock_timestamp() + make_interval(secs => %(seconds)s)
 WHERE (SELECT count(*) FROM guardrail.approvals WHERE org_id = %(org)s AND user_id = %(user)s AND state = 'waiting'
           AND expires_at > clock_timestamp()) < %(most)s
"""
_GET = f"SELECT {_COLUMNS} FROM guardrail.approvals WHERE org_id = %s AND approval = %s"  # noqa: S608 - constants
_DECIDE = """
UPDATE guardrail.approvals
   SET state = %(state)s, decided_by = %(user)s, decided_at = clock_timestamp(),
       sealed = CASE WHEN %(state)s = 'granted' THEN sealed END
 WHERE org_id = %(org)s AND approval = %(id)s AND state = 'waiting' AND expires_at > clock_timestamp()
RETURNING extract(epoch FROM expires_at)::float8
"""
_PAGE = f"""
SELECT {_COLUMNS} FROM guardrail.approvals a
 WHERE org_id = %(org)s AND brand = %(brand)s
   AND (%(before)s = '' OR (a.requested_at, a.approval) <
        (SELECT b.requested_at, b.approval FROM guardrail.approvals b
          WHERE b.org_id = %(org)s AND b.approval = %(before)s))
 ORDER BY a.requested_at DESC, a.approval DESC LIMIT %(limit)s
"""  # noqa: S608 - constants


class PostgresApprovals:
    """Implements `ports.ApprovalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, caller: Caller, wanted: Approval, seconds: int, most: int) -> str:
        """See the port."""
        org, user, digest = caller.organisation, caller.subject, wanted.digest
        values = {
            "org": org,
            "id": f"apr_{uuid4().hex}",
            "digest": digest,
            "tool": wanted.call.tool,
            "definition": wanted.call.definition_hash,
            "arguments": wanted.call.arguments_sha256,
            "conversation": wanted.call.conversation,
            "user": user,
            "brand": caller.brand,
            "reason": wanted.reason,
            "approver": wanted.approver.value,
            "sealed": wanted.sealed,
            "seconds": seconds,
            "most": most,
        }
        async with self._database.tenant(caller) as connection:
            await connection.execute(_LOCK, [f"guardrail/{org}/{user}"])
            await connection.execute(_TIDY, {"org": org, "user": user})
            same = await (await connection.execute(_SAME, [org, user, digest])).fetchone()
            if same is not None:
                return str(same[0])
            return str(values["id"]) if (await connection.execute(_ASK, values)).rowcount == 1 else ""

    async def get(self, caller: Caller, approval: str) -> Approval | None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_GET, [caller.organisation, approval])).fetchone()
        return _approval(row) if row else None

    async def decide(self, caller: Caller, approval: str, state: State) -> float:
        """See the port."""
        values = {"org": caller.organisation, "id": approval, "user": caller.subject, "state": state.value}
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_DECIDE, values)).fetchone()
        return float(row[0]) if row else 0.0

    async def page(self, caller: Caller, before: str, limit: int) -> tuple[Approval, ...]:
        """See the port."""
        values = {"org": caller.organisation, "brand": caller.brand, "before": before, "limit": limit}
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_PAGE, values)
            return tuple([_approval(row) async for row in rows])


def _approval(row: Sequence[Any]) -> Approval:
    return Approval(
        id=row[0],
        state=State(row[1]),
        call=Call(*row[2:6]),
        digest=row[6],
        user=row[7],
        brand=row[8],
        reason=row[9],
        approver=Approver(row[10]),
        requested_at=row[11],
        expires_at=row[12],
        decided_by=row[13],
        sealed=bytes(row[14] or b""),
    )
