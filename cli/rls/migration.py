"""The migration that puts a table under row-level security the way Hauberk's own tables are."""

from __future__ import annotations

import re

from cli.errors import CliError

_PLAIN = re.compile(r"[a-z_][a-z0-9_]{0,62}")
DEFAULT_TENANT = "nullif(current_setting('app.org_id', true), '')"

_TEMPLATE = """\
-- Puts {table} under row-level security by {column}.
-- The tenant of a statement is `{tenant}`, computed once for a statement because it stands in a sub-select.
-- With no tenant set that is NULL, no row compares equal to it, and nothing is seen or written.
{note}BEGIN;
ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;  -- binds the owner too
-- Admits the application's role at all; a policy that restricts only narrows what some permissive one admits.
CREATE POLICY {name}_access ON {table} AS PERMISSIVE FOR ALL TO {role} USING (true) WITH CHECK (true);
-- The tenant line. RESTRICTIVE: whatever policy is added later is joined to it with AND.
CREATE POLICY {name}_tenant ON {table} AS RESTRICTIVE FOR ALL TO PUBLIC
    USING ({column} = (SELECT {tenant}))
    WITH CHECK ({column} = (SELECT {tenant}));
COMMIT;
-- Outside of a transaction, so that nobody waits for it:
CREATE INDEX CONCURRENTLY IF NOT EXISTS {name}_{column}_idx ON {table} ({column});
-- Then: hauberk rls check
"""
_SELF_ASSERTED = """\
-- A setting is self-asserted: whoever runs SQL as {role} can set another tenant. Hauberk's own tables compare
-- `hauberk.current_org()`, which verifies a proof that only auth can make; give it with --tenant where it is installed.
"""


def write(table: str, column: str, role: str, tenant: str) -> str:
    """SQL text. Raises CliError for names that would need quoting: those are better renamed than quoted everywhere."""
    schema, _, name = table.rpartition(".")
    for what, text in (("table", name), ("schema", schema or "public"), ("column", column), ("role", role)):
        if not _PLAIN.fullmatch(text):
            raise CliError(f"{what}: {text or 'nothing'} is not a plain lower-case name")
    if ";" in tenant or "--" in tenant or tenant.count("(") != tenant.count(")"):
        raise CliError("--tenant must be one SQL expression")
    note = _SELF_ASSERTED.format(role=role) if "current_setting" in tenant else ""
    return _TEMPLATE.format(
        table=f"{schema or 'public'}.{name}", name=name, column=column, role=role, tenant=tenant, note=note
    )
