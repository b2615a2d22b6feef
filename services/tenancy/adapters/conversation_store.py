"""Conversations in PostgreSQL. Row-level security holds the tenant line; each statement names the place as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, LiteralString

from services.kit.caller import Caller
from services.kit.postgres import Connection, Database
from services.tenancy.policy.conversations import Head, Place, Row
from services.tenancy.ports.conversations import Addition, Loaded, Repeated, Stored, Wanted

_AT: LiteralString = "org_id = %(org)s AND brand_id = %(brand)s AND user_id = %(user)s AND conversation_id = %(id)s"
_PLACE: LiteralString = "(org_id, brand_id, user_id, conversation_id)"
# Locked for the transaction: the next turn is bound to the last, so there is one writer at a time. The mark is asked
# for when the lock is held: a statement that waited for it would still see the turns of the moment before.
_LOCK: LiteralString = f"SELECT wrapped_key, head, head_proof FROM tenancy.conversations WHERE {_AT} FOR UPDATE"  # noqa: S608
_MARK: LiteralString = f"SELECT mark FROM tenancy.turns WHERE {_AT} AND sequence = %(head)s"  # noqa: S608 - constants
_REPEATED: LiteralString = f"""
SELECT t.sequence, t.mark, t.request_proof, c.wrapped_key
FROM tenancy.turns t JOIN tenancy.conversations c USING {_PLACE}
WHERE {_AT} AND t.request_id = %(request)s
"""  # noqa: S608 - constants
_BEGIN: LiteralString = """
INSERT INTO tenancy.conversations
    (org_id, brand_id, user_id, conversation_id, wrapped_key, retention, head, head_proof)
VALUES (%(org)s, %(brand)s, %(user)s, %(id)s, %(key)s, %(retention)s, %(head)s, %(proof)s)
ON CONFLICT DO NOTHING
"""
_MOVE: LiteralString = f"""
UPDATE tenancy.conversations SET wrapped_key = %(key)s, retention = %(retention)s, head = %(head)s,
    head_proof = %(proof)s, last_at = clock_timestamp() WHERE {_AT}
"""  # noqa: S608 - constants
_ADD: LiteralString = """
INSERT INTO tenancy.turns
    (org_id, brand_id, user_id, conversation_id, sequence, role, at_us, sealed, mark, request_id, request_proof)
VALUES (%(org)s, %(brand)s, %(user)s, %(id)s, %(sequence)s, %(role)s, %(at)s, %(sealed)s, %(mark)s, %(request)s,
        %(request_proof)s)
"""
# One statement sees one moment: head, marks and turns fit together however much is added meanwhile.
_LOAD: LiteralString = f"""
WITH c AS (
    SELECT wrapped_key, head, head_proof, CASE WHEN %(last)s > 0 THEN greatest(head - %(last)s, 0)
           ELSE %(after)s END AS after FROM tenancy.conversations WHERE {_AT}
), t AS (SELECT * FROM tenancy.turns WHERE {_AT})
SELECT c.wrapped_key, c.head, c.head_proof, c.after,
       (SELECT mark FROM t WHERE sequence = c.head), (SELECT mark FROM t WHERE sequence = c.after),
       (SELECT mark FROM t WHERE sequence = %(witnessed)s),
       r.sequence, r.role, r.at_us, r.sealed, r.mark
FROM c LEFT JOIN LATERAL (SELECT * FROM t WHERE sequence > c.after ORDER BY sequence LIMIT %(limit)s) r ON true
ORDER BY r.sequence
"""  # noqa: S608 - constants
_FORGET: LiteralString = f"DELETE FROM tenancy.conversations WHERE {_AT}"  # noqa: S608 - constants


class PostgresConversations:
    """Implements `ports.conversations.ConversationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self, caller: Caller, place: Place, request_id: str, add: Callable[[Stored | None], Addition]
    ) -> Addition | Repeated:
        """See the port."""
        at = _at(place)
        async with self._database.tenant(caller) as connection:
            while True:
                stored = await _locked(connection, at)
                if request_id and stored:
                    row = await _one(connection, _REPEATED, at | {"request": request_id})
                    if row:
                        return Repeated(*row)
                addition = add(stored)
                if await _moved(connection, at, addition, begins=stored is None):
                    await connection.execute(_ADD, at | _turn(addition))
                    return addition
                # Somebody began the conversation in the same moment: it is there now, to be gone on with.

    async def load(self, caller: Caller, place: Place, wanted: Wanted) -> Loaded | None:
        """See the port."""
        values = _at(place) | {
            "after": wanted.after,
            "last": wanted.last,
            "limit": wanted.limit,
            "witnessed": wanted.witnessed,
        }
        async with self._database.tenant(caller) as connection:
            rows = await (await connection.execute(_LOAD, values)).fetchall()
        if not rows:
            return None
        key, head, proof, after, last_mark, previous, witnessed = rows[0][:7]
        turns = tuple(Row(*row[7:]) for row in rows if row[7] is not None)
        return Loaded(Stored(key, Head(head, proof), last_mark), after, previous, witnessed, turns)

    async def forget(self, caller: Caller, place: Place) -> bool:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            return (await connection.execute(_FORGET, _at(place))).rowcount > 0


def _at(place: Place) -> dict[str, Any]:
    return {"org": place.organisation, "brand": place.brand, "user": place.user, "id": place.conversation}


def _turn(addition: Addition) -> dict[str, Any]:
    row = addition.row
    return {
        "sequence": row.sequence,
        "role": row.role,
        "at": row.at_us,
        "sealed": row.sealed,
        "mark": row.mark,
        "request": addition.request.id,
        "request_proof": addition.request.proof,
    }


async def _moved(connection: Connection, at: dict[str, Any], addition: Addition, *, begins: bool) -> bool:
    values = at | {
        "key": addition.wrapped_key,
        "retention": addition.retention,
        "head": addition.head.sequence,
        "proof": addition.head.proof,
    }
    return (await connection.execute(_BEGIN if begins else _MOVE, values)).rowcount > 0


async def _one(connection: Connection, statement: LiteralString, values: dict[str, Any]) -> tuple[Any, ...] | None:
    return await (await connection.execute(statement, values)).fetchone()


async def _locked(connection: Connection, at: dict[str, Any]) -> Stored | None:
    row = await _one(connection, _LOCK, at)
    if row is None:
        return None
    mark = await _one(connection, _MARK, at | {"head": row[1]})
    return Stored(row[0], Head(row[1], row[2]), mark[0] if mark else None)
