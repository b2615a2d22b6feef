"""Reads the system catalogue of a PostgreSQL database, in one read-only transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, LiteralString

import psycopg

from cli.errors import CliError
from cli.rls.model import Catalogue, ForeignKey, Index, Policy, Role, Table, View

_SECONDS = 30
_ALL = frozenset("rawd")
_OWN = "n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'"
_TABLES: LiteralString = f"""
SELECT c.oid, format('%%I.%%I', n.nspname, c.relname), c.relrowsecurity, c.relforcerowsecurity,
       pg_get_userbyid(c.relowner),
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = %(column)s AND NOT a.attisdropped)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {_OWN}
  AND (%(schemas)s::text[] IS NULL OR n.nspname = ANY (%(schemas)s))
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2
"""  # noqa: S608 - constants
_POLICIES: LiteralString = """
SELECT polrelid, polname, polpermissive, polcmd::text,
       coalesce(pg_get_expr(polqual, polrelid), ''), coalesce(pg_get_expr(polwithcheck, polrelid), '')
FROM pg_policy WHERE polrelid = ANY (%s) ORDER BY polname
"""
_INDEXES: LiteralString = """
SELECT i.indrelid, c.relname, i.indisunique,
       ARRAY(SELECT coalesce(a.attname, '') FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(number, place)
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number > 0
             ORDER BY k.place)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY (%s) AND i.indisvalid ORDER BY 2
"""
_REFERENCES: LiteralString = """
SELECT f.conrelid, f.conname, f.confrelid,
       ARRAY(SELECT a.attname FROM unnest(f.conkey) k(number)
             JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number)
FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = ANY (%(of)s) AND f.confrelid = ANY (%(of)s) ORDER BY 2
"""
# The superuser that every installation has counts only while something is connected as it.
_ROLES: LiteralString = """
SELECT r.rolname, r.rolsuper, r.rolbypassrls,
       EXISTS (SELECT FROM pg_roles o WHERE (o.rolbypassrls OR o.rolsuper) AND pg_has_role(r.oid, o.oid, 'MEMBER')),
       EXISTS (SELECT FROM unnest(%(owners)s::text[]) o(name) WHERE pg_has_role(r.oid, o.name, 'MEMBER')),
       (SELECT count(*) FROM pg_stat_activity s WHERE s.usesysid = r.oid AND s.datname = current_database()
           AND s.pid <> pg_backend_pid() AND s.backend_type = 'client backend')
FROM pg_roles r WHERE r.rolcanlogin ORDER BY 1
"""
_VIEWS: LiteralString = f"""
SELECT DISTINCT format('%%I.%%I', n.nspname, v.relname), pg_get_userbyid(v.relowner), d.refobjid
FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace
JOIN pg_rewrite w ON w.ev_class = v.oid
JOIN pg_depend d ON d.objid = w.oid AND d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
WHERE v.relkind IN ('v', 'm') AND d.refobjid = ANY (%(of)s) AND {_OWN}
  AND NOT coalesce(v.reloptions, '{{}}') && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1']
ORDER BY 1
"""  # noqa: S608 - constants
_VOLATILE: LiteralString = "SELECT DISTINCT proname FROM pg_proc WHERE provolatile <> 'i' AND prokind = 'f'"


def read(url: str, column: str, schemas: Collection[str], shared: Collection[str]) -> Catalogue:
    """Everything the rules look at. Raises CliError when the database cannot be read."""
    try:
        with psycopg.connect(url, connect_timeout=10, application_name="hauberk rls check") as connection:
            connection.execute(f"SET statement_timeout = {_SECONDS * 1000}")
            connection.commit()
            connection.read_only = True
            return _Reader(connection, column).read(sorted(schemas) or None, frozenset(shared))
    except psycopg.Error as error:
        state = f", SQLSTATE {error.sqlstate}" if error.sqlstate else ""
        raise CliError(f"the database cannot be read ({type(error).__name__}{state})") from None


class _Reader:
    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], column: str) -> None:
        self._connection = connection
        self._column = column

    def read(self, schemas: list[str] | None, shared: frozenset[str]) -> Catalogue:
        rows = self._all(_TABLES, {"column": self._column, "schemas": schemas})
        unknown = sorted(shared - {row[1] for row in rows})
        if unknown:
            raise CliError(f"--shared {unknown[0]}: there is no such table (write schema.table)")
        rows = [row for row in rows if row[5] or row[1] not in shared]
        tenant = {row[0]: row[1] for row in rows if row[5]}
        policies, indexes, references = self._policies(tenant), self._indexes(tenant), self._references(tenant)
        tables = tuple(
            Table(
                name=name,
                has_tenant=has_tenant,
                enabled=enabled,
                forced=forced,
                owner=owner,
                policies=tuple(policies[oid]),
                indexes=tuple(indexes[oid]),
                foreign_keys=tuple(references[oid]),
            )
            for oid, name, enabled, forced, owner, has_tenant in rows
        )
        owners = sorted({table.owner for table in tables if table.has_tenant})
        volatile = frozenset(row[0] for row in self._all(_VOLATILE, None))
        return Catalogue(self._column, tables, self._roles(owners), self._views(tenant), volatile)

    def _policies(self, tenant: dict[int, str]) -> dict[int, list[Policy]]:
        found: dict[int, list[Policy]] = defaultdict(list)
        for oid, name, permissive, command, using, check in self._all(_POLICIES, [list(tenant)]):
            commands = _ALL if command == "*" else frozenset(command)
            found[oid].append(Policy(name, permissive, commands, using, check))
        return found

    def _indexes(self, tenant: dict[int, str]) -> dict[int, list[Index]]:
        found: dict[int, list[Index]] = defaultdict(list)
        for oid, name, unique, columns in self._all(_INDEXES, [list(tenant)]):
            found[oid].append(Index(name, tuple(columns), unique))
        return found

    def _references(self, tenant: dict[int, str]) -> dict[int, list[ForeignKey]]:
        found: dict[int, list[ForeignKey]] = defaultdict(list)
        for oid, name, target, columns in self._all(_REFERENCES, {"of": list(tenant)}):
            found[oid].append(ForeignKey(name, tuple(columns), tenant[target]))
        return found

    def _roles(self, owners: list[str]) -> tuple[Role, ...]:
        found = []
        for name, is_super, bypasses, may_bypass, may_own, connections in self._all(_ROLES, {"owners": owners}):
            reason = (
                "is a superuser"
                if is_super
                else "has BYPASSRLS"
                if bypasses
                else "can become a role that bypasses policies"
                if may_bypass
                else "owns tenant tables and can switch their policies off"
                if may_own
                else ""
            )
            if reason and (connections or not is_super):
                found.append(Role(name, reason, connections))
        return tuple(found)

    def _views(self, tenant: dict[int, str]) -> tuple[View, ...]:
        rows = self._all(_VIEWS, {"of": list(tenant)})
        return tuple(View(name, owner, tenant[oid]) for name, owner, oid in rows)

    def _all(self, statement: LiteralString, values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()
