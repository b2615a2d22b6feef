"""Every table of every schema goes by age or stays for a reason that is written down; and Redis is looked through."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from cli.housekeeping import OWNED
from services.kit.database_roles import SERVICES
from services.kit.redis import RedisStore
from services.kit.retention import KEPT
from services.kit.retention_redis import overstaying
from tests.contract.retention.conftest import Site
from tests.support.stores import DataStores


def tables(conn: psycopg.Connection[Any]) -> set[str]:
    """Of all schemas of the house, without the partitions of a table."""
    rows = conn.execute(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY (%s)",
        [[*SERVICES, "hauberk"]],
    )
    return {str(row[0]) for row in rows.fetchall()}


def unspoken(conn: psycopg.Connection[Any]) -> set[str]:
    return tables(conn) - set(KEPT) - {name for own in OWNED for name in own.tables()}


def test_every_table_has_a_rule_or_a_reason(data_stores: DataStores) -> None:
    with psycopg.connect(data_stores.admin_dsn) as conn:
        assert unspoken(conn) == set(), "say in the service's retention.py how long, or why it stays"
        there = tables(conn)
        assert {name for own in OWNED for name in own.tables()} <= there, "no such table any more"
        conn.execute("CREATE TABLE guardrail.fresh (org_id text)")
        assert unspoken(conn) == {"guardrail.fresh"}
        conn.rollback()


def test_each_service_speaks_for_its_own_schema_once() -> None:
    names = [name for own in OWNED for name in own.tables()]
    assert len(names) == len(set(names))
    for own in OWNED:
        assert all(name.startswith(f"{own.service}.") for name in own.tables())
        assert all(len(reason) > 12 for reason in own.kept.values())
    assert {own.service for own in OWNED} == set(SERVICES)


@pytest.mark.parametrize(
    ("key", "seconds", "said"),
    [
        ("hk:redaction:{acme}:0011", None, "redaction.mappings without an end: 1 keys in Redis"),
        ("hk:redaction:{acme}:0012", 301 + 60, "redaction.mappings beyond their time: 1 keys in Redis"),
        ("hk:redaction:{acme}:0013", 300, ""),
        ("hk:redaction:{acme}:0013:n", 86_400, ""),
        ("hk:ctx:{acme}:b:0014", 3600, "context_token.bodies beyond their time: 1 keys in Redis"),
        ("hk:somebody:{acme}:0015", 10, "no service claims: 1 keys in Redis"),
        ("hk:ratelimit:{_ledger}:organisations:x", None, ""),
    ],
)
async def test_what_stays_too_long_in_redis_is_found(site: Site, key: str, seconds: int | None, said: str) -> None:
    store = RedisStore(site.stores.redis_url, 2.0)
    try:
        before = set(await overstaying(store, OWNED, site.policy().volatile))
        await store.client.set(key, "x", ex=seconds)
        found = set(await overstaying(store, OWNED, site.policy().volatile)) - before
        # Another test may have left a key that nobody claims, too: how many there are is not what is asked here.
        assert {each.rpartition(": ")[0] for each in found} == ({said.rpartition(": ")[0]} if said else set())
    finally:
        await store.client.delete(key)
        await store.close()
