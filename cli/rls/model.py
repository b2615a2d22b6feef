"""What a database says about its tables, and what may be wrong with them. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class Policy:
    """One row-level policy; `commands` holds the letters of `pg_policy.polcmd`, all four for ALL."""

    name: str
    permissive: bool
    commands: frozenset[str]
    using: str
    check: str


@dataclass(frozen=True, slots=True)
class Index:
    """One index: its key columns in order (an expression is an empty name)."""

    name: str
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference to another tenant table, by the columns on this side."""

    name: str
    columns: tuple[str, ...]
    target: str


@dataclass(frozen=True, slots=True)
class Table:
    """One ordinary or partitioned table."""

    name: str
    has_tenant: bool
    enabled: bool
    forced: bool
    owner: str
    policies: tuple[Policy, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """A role that can log in and that row-level security does not bind, with its connections to this database now."""

    name: str
    reason: str
    connections: int


@dataclass(frozen=True, slots=True)
class View:
    """A view over a tenant table that reads with the rights of its owner."""

    name: str
    owner: str
    table: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that was read; `volatile` names the functions whose result may differ between calls."""

    tenant_column: str
    tables: tuple[Table, ...]
    roles: tuple[Role, ...]
    views: tuple[View, ...]
    volatile: frozenset[str]


class Severity(IntEnum):
    """How bad it is: a hole, or something that becomes one by the next change."""

    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that one object breaks, and what to do."""

    rule: str
    severity: Severity
    where: str
    what: str
    remedy: str
