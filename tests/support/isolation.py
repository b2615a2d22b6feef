"""What one organisation has, as its database's administrator sees it, and what a call costs the stores."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import redis
from psycopg import AsyncConnection, sql

from services.kit import caller as callers
from services.kit.database_roles import SERVICES
from services.kit.redis import RedisStore

# Times that a background task writes when it pleases, and the trail of the very calls that are made here.
_RESTLESS = re.compile(r"(last_.*|idle_.*|next_.*|attempts|.*_network|changed_at)")
_OWN_TRAIL = ("audit",)
# Written by what runs beside the calls: use of keys, attempts to deliver a notice, what was spent and what is held.
_RESTLESS_TABLES = ("auth.key_uses", "auth.key_notices", "ratelimit.ledger", "ratelimit.spent", "ratelimit.holds")
Rows = Mapping[str, Counter[str]]


def tables(admin: psycopg.Connection[Any]) -> list[tuple[str, str, list[str], list[str]]]:
    """Schema, name, all columns and the text columns of every table that has an organisation."""
    rows = admin.execute(
        """
        SELECT n.nspname, c.relname, array_agg(a.attname ORDER BY a.attnum),
               array_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.atttypid = 'text'::regtype)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY (%s)
          AND EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attname = 'org_id')
        GROUP BY 1, 2 ORDER BY 1, 2
        """,
        [list(SERVICES)],
    ).fetchall()
    return [(schema, name, columns, texts or []) for schema, name, columns, texts in rows]


def rows_of(admin: psycopg.Connection[Any], organisation: str) -> Rows:
    """A digest of every row of an organisation, by table."""
    found: dict[str, Counter[str]] = {}
    for schema, name, columns, _ in tables(admin):
        if schema in _OWN_TRAIL:
            continue
        kept = sql.SQL(", ").join(sql.Identifier(c) for c in columns if not _RESTLESS.fullmatch(c))
        if f"{schema}.{name}" in _RESTLESS_TABLES:
            continue
        query = sql.SQL("SELECT md5(ROW({})::text) FROM {} WHERE org_id = %s").format(
            kept, sql.Identifier(schema, name)
        )
        found[f"{schema}.{name}"] = Counter(row[0] for row in admin.execute(query, [organisation]).fetchall())
    return found


def identifiers_of(admin: psycopg.Connection[Any], organisation: str, others: str) -> dict[str, str]:
    """One text of every column that the organisation has and the other one has not: `schema.table.column` -> text."""
    found: dict[str, str] = {}
    for schema, name, _, texts in tables(admin):
        if schema in _OWN_TRAIL:
            continue
        for column in texts:
            table, field = sql.Identifier(schema, name), sql.Identifier(column)
            row = admin.execute(
                sql.SQL(
                    "SELECT {f} FROM {t} WHERE org_id = %s AND length({f}) BETWEEN 3 AND 128"
                    " EXCEPT SELECT {f} FROM {t} WHERE org_id = %s ORDER BY 1 LIMIT 1"
                ).format(f=field, t=table),
                [organisation, others],
            ).fetchone()
            if row:
                found[f"{schema}.{name}.{column}"] = str(row[0])
    return found


def keys_of(url: str, organisation: str) -> dict[str, str]:
    """A digest of every value of an organisation in Redis, by key; mirrors of PostgreSQL come and go."""
    with redis.Redis.from_url(url) as client:
        return {
            key.decode(): hashlib.sha256(client.dump(key) or b"").hexdigest()
            for key in client.scan_iter(match=f"*{{{organisation}}}*", count=1000)
            if not key.endswith(b":epochs")
        }


def like(text: str) -> str:
    """Another text of the same shape: letters for letters, digits for digits."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
    head = re.match(r"[a-z]+_|", text)
    kept = head[0] if head else ""
    drawn = (
        next((secrets.choice(kind) for kind in kinds if character in kind), character)
        for character in text[len(kept) :]
    )
    return kept + "".join(drawn)


@contextmanager
def counting(txn: str) -> Iterator[Counter[str]]:
    """Counts what the services of this process ask the stores on behalf of one transaction."""
    found: Counter[str] = Counter()
    execute, run = AsyncConnection.execute, RedisStore.run

    def mine() -> bool:
        call = callers.current.get()
        return call is not None and call.caller is not None and call.caller.txn == txn

    async def counted_execute(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        found["postgres"] += mine()
        return await execute(self, query, *args, **more)

    async def counted_run(self: Any, script: Any, keys: Any, args: Any) -> Any:
        found[f"redis {script.name}"] += mine()
        return await run(self, script, keys, args)

    AsyncConnection.execute, RedisStore.run = counted_execute, counted_run  # type: ignore[method-assign]
    try:
        yield found
    finally:
        AsyncConnection.execute, RedisStore.run = execute, run  # type: ignore[method-assign]
