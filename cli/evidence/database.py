"""Probes that read the catalogue of PostgreSQL, by a role that may read no tenant's rows."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from cli.evidence.model import FAILS, HOLDS, Found
from services.kit.database_roles import OWNER, SERVICES

_TABLES: LiteralString = """
SELECT n.nspname || '.' || c.relname,
       c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
           SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive AND p.polcmd = '*'
              AND pg_get_expr(p.polqual, p.polrelid) LIKE '%%current_org()%%'
              AND pg_get_expr(p.polqual, p.polrelid) = pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY (%s) AND EXISTS (
      SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped)
"""
_ROLES: LiteralString = """
SELECT r.rolname, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication
       OR pg_has_role(r.oid, %s, 'MEMBER')
FROM pg_roles r WHERE r.rolcanlogin AND r.rolname LIKE 'hauberk\\_%%'
"""
_WRITERS: LiteralString = """
SELECT DISTINCT r.rolname FROM pg_roles r, pg_class c
WHERE r.rolcanlogin AND r.rolname LIKE 'hauberk\\_%%' AND (c.oid = 'audit.events'::regclass OR c.oid IN (
      SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit.events'::regclass))
  AND has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
"""
_WANTED = {"fsync": "on", "full_page_writes": "on", "password_encryption": "scram-sha-256", "data_checksums": "on"}


def _rows(dsn: str, statement: LiteralString, values: Any = ()) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, connect_timeout=5, application_name="hauberk evidence") as connection:
        return connection.execute(statement, values).fetchall()


def rls_forced(dsn: str) -> Found:
    """Row-level security is forced, and the tenant's policy is in place, on every table that has an organisation."""
    rows = _rows(dsn, _TABLES, [list(SERVICES)])
    weak = sorted(name for name, forced in rows if not forced)
    figures = {"tables": len(rows), "forced": len(rows) - len(weak)}
    if weak or not rows:
        return Found(FAILS, f"row-level security is not forced on {', '.join(weak) or 'any table'}", figures)
    return Found(HOLDS, f"row-level security is forced on all {len(rows)} tables that have an organisation", figures)


def roles_bound(dsn: str) -> Found:
    """No role of a service can step over row-level security."""
    rows = _rows(dsn, _ROLES, [OWNER])
    strong = sorted(name for name, powerful in rows if powerful)
    figures = {"roles": len(rows), "bound": len(rows) - len(strong)}
    if strong or not rows:
        return Found(
            FAILS, f"roles with powers that they must not have: {', '.join(strong) or 'none found at all'}", figures
        )
    return Found(
        HOLDS, f"none of {len(rows)} roles is a superuser, bypasses row-level security or owns a table", figures
    )


def audit_append_only(dsn: str) -> Found:
    """No role can write to the chains but through their doors."""
    writers = sorted(str(row[0]) for row in _rows(dsn, _WRITERS))
    if writers:
        return Found(FAILS, f"{', '.join(writers)} can write to the chains directly", {"roles": len(writers)})
    return Found(HOLDS, "no role can insert, change or delete events of a chain but through the sealer's door")


def database_durability(dsn: str) -> Found:
    """What is acknowledged is on disk, pages are checked, passwords are kept as SCRAM verifiers."""
    rows = dict(_rows(dsn, "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)", [list(_WANTED)]))
    wrong = sorted(name for name, value in _WANTED.items() if rows.get(name) != value)
    if wrong:
        return Found(FAILS, f"not as it must be: {', '.join(wrong)}")
    return Found(HOLDS, "fsync, full page writes and checksums are on; passwords are SCRAM verifiers", rows)
