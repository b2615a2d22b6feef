"""The rules of `hauberk rls check`. Each looks at one object and yields what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from cli.rls.model import Catalogue, Finding, Policy, Severity, Table

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_CALL = re.compile(r"(?<![\w.\"])((?:[a-z_]\w*\.)?[a-z_]\w*)\(")

TableRule = Callable[[Catalogue, Table], Iterator[Finding]]


def check(catalogue: Catalogue) -> list[Finding]:
    """Every finding, the worst first, then by object."""
    found = [*_roles(catalogue), *_views(catalogue)]
    for table in catalogue.tables:
        rules = _TENANT_RULES if table.has_tenant else (_tenant_missing,)
        found += [finding for rule in rules for finding in rule(catalogue, table)]
    return sorted(found, key=lambda f: (-f.severity, f.where, f.rule))


def _tenant_missing(catalogue: Catalogue, table: Table) -> Iterator[Finding]:
    yield Finding(
        "no-tenant-column",
        _WARNING,
        table.name,
        f"has no column {catalogue.tenant_column}: rows of all tenants lie together, under no policy",
        f"add the column, or name the table with --shared {table.name} when every tenant may see it",
    )


def _switched_on(_: Catalogue, table: Table) -> Iterator[Finding]:
    if not table.enabled:
        yield Finding(
            "not-enabled",
            _ERROR,
            table.name,
            "row-level security is off: policies, if any, do nothing",
            f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY",
        )
    elif not table.forced:
        yield Finding(
            "not-forced",
            _ERROR,
            table.name,
            f"its owner {table.owner} is not bound by the policies",
            f"ALTER TABLE {table.name} FORCE ROW LEVEL SECURITY",
        )


def _tenant_line(catalogue: Catalogue, table: Table) -> Iterator[Finding]:
    tenant = [policy for policy in table.policies if _speaks_of(policy.using or policy.check, catalogue)]
    if not tenant:
        yield Finding(
            "no-tenant-policy",
            _ERROR,
            table.name,
            f"no policy compares {catalogue.tenant_column}",
            f"hauberk rls sql {table.name}",
        )
        return
    restrictive = {command for policy in tenant if not policy.permissive for command in policy.commands}
    for policy in table.policies:
        if policy.permissive and policy.commands - restrictive:
            yield from _permissive(catalogue, table, policy)


def _permissive(catalogue: Catalogue, table: Table, policy: Policy) -> Iterator[Finding]:
    where = f"{table.name} policy {policy.name}"
    if _speaks_of(policy.using or policy.check, catalogue):
        yield Finding(
            "permissive-tenant-policy",
            _WARNING,
            where,
            "is PERMISSIVE: the next permissive policy is joined with OR and opens other tenants' rows",
            "make the tenant policy RESTRICTIVE, beside a permissive one that admits the role",
        )
    else:
        yield Finding(
            "open-policy",
            _ERROR,
            where,
            f"does not compare {catalogue.tenant_column}, and no RESTRICTIVE policy stands beside it",
            "add a RESTRICTIVE tenant policy for the same commands",
        )


def _writes(catalogue: Catalogue, table: Table) -> Iterator[Finding]:
    tenant = [policy for policy in table.policies if _speaks_of(policy.using or policy.check, catalogue)]
    for policy in tenant:
        where = f"{table.name} policy {policy.name}"
        if policy.check and not _speaks_of(policy.check, catalogue):
            yield Finding(
                "check-without-tenant",
                _ERROR,
                where,
                f"its WITH CHECK does not compare {catalogue.tenant_column}: rows can be written into another tenant",
                "give WITH CHECK the same comparison as USING",
            )
        elif not policy.check and policy.commands & {"a", "w"}:
            yield Finding(
                "no-with-check",
                _WARNING,
                where,
                "has no WITH CHECK of its own: whoever widens USING for reading widens writing with it",
                "write WITH CHECK out",
            )
    checked = {command for policy in tenant for command in policy.commands}
    if tenant and "a" not in checked and any(p.permissive and "a" in p.commands for p in table.policies):
        yield Finding(
            "insert-unchecked",
            _ERROR,
            table.name,
            "no tenant policy covers INSERT: rows can be written into another tenant",
            f"hauberk rls sql {table.name}",
        )


def _per_row_calls(catalogue: Catalogue, table: Table) -> Iterator[Finding]:
    for policy in table.policies:
        calls = sorted({name for text in (policy.using, policy.check) for name in _calls(text, catalogue)})
        if calls:
            yield Finding(
                "function-per-row",
                _WARNING,
                f"{table.name} policy {policy.name}",
                f"calls {', '.join(calls)} for every row, and an index on the tenant may not serve",
                f"wrap it: (SELECT {calls[0]}(...)) is computed once for a statement",
            )


def _leading_index(catalogue: Catalogue, table: Table) -> Iterator[Finding]:
    if not any(index.columns[:1] == (catalogue.tenant_column,) for index in table.indexes):
        yield Finding(
            "no-tenant-index",
            _ERROR,
            table.name,
            f"no index leads with {catalogue.tenant_column}: one tenant's query reads every tenant's rows",
            f"CREATE INDEX CONCURRENTLY ON {table.name} ({catalogue.tenant_column}, ...)",
        )


def _across_tenants(catalogue: Catalogue, table: Table) -> Iterator[Finding]:
    for index in table.indexes:
        if index.unique and catalogue.tenant_column not in index.columns:
            yield Finding(
                "unique-across-tenants",
                _WARNING,
                f"{table.name} index {index.name}",
                "a taken value tells one tenant that another one has it",
                f"lead it with {catalogue.tenant_column} (values that are random and long may stay)",
            )
    for key in table.foreign_keys:
        if catalogue.tenant_column not in key.columns:
            yield Finding(
                "reference-across-tenants",
                _ERROR,
                f"{table.name} constraint {key.name}",
                f"can refer to a row of another tenant in {key.target}: foreign keys are checked without policies",
                f"refer by ({catalogue.tenant_column}, ...) on both sides",
            )


_TENANT_RULES: tuple[TableRule, ...] = (
    _switched_on,
    _tenant_line,
    _writes,
    _per_row_calls,
    _leading_index,
    _across_tenants,
)


def _roles(catalogue: Catalogue) -> Iterator[Finding]:
    for role in catalogue.roles:
        used = f"is connected {role.connections} times" if role.connections else "can log in"
        yield Finding(
            "unbound-role",
            _ERROR if role.connections else _WARNING,
            f"role {role.name}",
            f"{used} and {role.reason}: policies do not hold it",
            "let the application log in as a role that owns nothing, NOSUPERUSER and NOBYPASSRLS",
        )


def _views(catalogue: Catalogue) -> Iterator[Finding]:
    for view in catalogue.views:
        yield Finding(
            "view-of-its-owner",
            _ERROR,
            f"view {view.name}",
            f"reads {view.table} with the rights of {view.owner}, not of who asks",
            f"ALTER VIEW {view.name} SET (security_invoker = true)",
        )


def _speaks_of(expression: str, catalogue: Catalogue) -> bool:
    plain = _LITERAL.sub("''", expression)
    return re.search(rf'(?<![\w"]){re.escape(catalogue.tenant_column)}(?![\w"])', plain.replace('"', "")) is not None


def _calls(expression: str, catalogue: Catalogue) -> Iterator[str]:
    """Functions outside any sub-select whose result is not the same for ever."""
    plain = _without_selects(_LITERAL.sub("''", expression))
    for match in _CALL.finditer(plain):
        if match[1].rpartition(".")[2] in catalogue.volatile:
            yield match[1]


def _without_selects(text: str) -> str:
    while (start := text.find("( SELECT")) >= 0:
        depth, end = 0, start
        for end in range(start, len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if depth == 0:
                break
        text = text[:start] + text[end + 1 :]
    return text
