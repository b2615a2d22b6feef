"""Filters over the facts of a resource: what a plan is made of, how a row is held against it, and its SQL.

A field that has no value is the empty text. Every condition is either true or false of a row, never unknown: the SQL
says so for NULL columns, too, because `NOT` over an unknown would quietly lose rows, or worse, `OR` would find them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,2}")


class Field(Enum):
    """What a filter may speak of; `LABELS` is a set of texts, the others are one text each."""

    ORGANISATION = "organisation"
    ID = "id"
    OWNER = "owner"
    BRAND = "brand"
    LABELS = "labels"


@dataclass(frozen=True, slots=True)
class Always:
    """Every row, or none."""

    value: bool


@dataclass(frozen=True, slots=True)
class Among:
    """The field is one of the values."""

    field: Field
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labels contain this one."""

    label: str


@dataclass(frozen=True, slots=True)
class Both:
    """All of them."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of them."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Except:
    """The rows that `part` does not choose."""

    part: Filter


Filter = Always | Among | Labelled | Both | Either | Except
EVERY = Always(value=True)
NONE = Always(value=False)


class Row(Protocol):
    """Facts that a filter is held against."""

    @property
    def organisation(self) -> str:
        """Whose it is."""
        ...

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def owner(self) -> str:
        """The user who owns it, or empty."""
        ...

    @property
    def brand(self) -> str:
        """Its brand, or empty."""
        ...

    @property
    def labels(self) -> frozenset[str]:
        """Its labels."""
        ...


def among(field: Field, values: Iterable[str]) -> Filter:
    """The field is one of the values; no values are no rows."""
    ordered = tuple(sorted(set(values)))
    return Among(field, ordered) if ordered else NONE


def both(*parts: Filter) -> Filter:
    """All of them, without what is always true."""
    kept: dict[Filter, None] = {}
    for part in parts:
        for inner in part.parts if isinstance(part, Both) else (part,):
            if inner == NONE:
                return NONE
            if inner != EVERY:
                kept[inner] = None
    if any(except_(part) in kept for part in kept):
        return NONE
    return Both(tuple(kept)) if len(kept) > 1 else next(iter(kept), EVERY)


def either(*parts: Filter) -> Filter:
    """At least one of them, without what never is."""
    kept: dict[Filter, None] = {}
    for part in parts:
        for inner in part.parts if isinstance(part, Either) else (part,):
            if inner == EVERY:
                return EVERY
            if inner != NONE:
                kept[inner] = None
    if any(except_(part) in kept for part in kept):
        return EVERY
    return Either(tuple(kept)) if len(kept) > 1 else next(iter(kept), NONE)


def except_(part: Filter) -> Filter:
    """The rows that `part` does not choose."""
    if isinstance(part, Always):
        return Always(value=not part.value)
    return part.part if isinstance(part, Except) else Except(part)


def matches(chosen: Filter, row: Row) -> bool:
    """Whether the filter chooses the row."""
    match chosen:
        case Always(value):
            return value
        case Among(field, values):
            return _value(field, row) in values
        case Labelled(label):
            return label in row.labels
        case Both(parts):
            return all(matches(part, row) for part in parts)
        case Either(parts):
            return any(matches(part, row) for part in parts)
        case Except(part):
            return not matches(part, row)


def _value(field: Field, row: Row) -> str:
    value = getattr(row, field.value)
    return value if isinstance(value, str) else ""


def size(chosen: Filter) -> int:
    """Conditions and values in it, for a bound."""
    match chosen:
        case Always() | Labelled():
            return 1
        case Among(_, values):
            return len(values)
        case Both(parts) | Either(parts):
            return 1 + sum(map(size, parts))
        case Except(part):
            return 1 + size(part)


DEFAULT_COLUMNS: Mapping[Field, str] = {
    Field.ORGANISATION: "org_id",
    Field.ID: "id",
    Field.OWNER: "owner_id",
    Field.BRAND: "brand_id",
    Field.LABELS: "labels",
}


class BadColumnError(ValueError):
    """A name that is no column's: it would be written into a statement."""


def quoted(column: str) -> str:
    """A column name, optionally with schema and table, fit to stand in a statement. Raises BadColumnError."""
    if not _COLUMN.fullmatch(column):
        raise BadColumnError
    return ".".join(f'"{part}"' for part in column.split("."))


class Placeholder(Enum):
    """How a driver writes parameters."""

    NUMBERED = "$"  # PostgreSQL's own: $1, $2
    FORMAT = "%s"  # psycopg


def to_sql(
    chosen: Filter, columns: Mapping[Field, str], style: Placeholder = Placeholder.NUMBERED
) -> tuple[str, list[str]]:
    """A PostgreSQL predicate and its parameters in order. No value of a row or policy ever stands in the text."""
    writer = _Writer({field: quoted(name) for field, name in {**DEFAULT_COLUMNS, **columns}.items()}, style)
    return writer.write(chosen), writer.parameters


class _Writer:
    def __init__(self, columns: Mapping[Field, str], style: Placeholder) -> None:
        self._columns = columns
        self._style = style
        self.parameters: list[str] = []

    def write(self, chosen: Filter) -> str:
        match chosen:
            case Always(value):
                return "TRUE" if value else "FALSE"
            case Among(field, values):
                return self._among(self._columns[field], values)
            case Labelled(label):
                column = self._columns[Field.LABELS]
                return f"({column} IS NOT NULL AND {column} @> ARRAY[{self._next(label)}]::text[])"
            case Both(parts):
                return "(" + " AND ".join(map(self.write, parts)) + ")"
            case Either(parts):
                return "(" + " OR ".join(map(self.write, parts)) + ")"
            case Except(part):
                return f"(NOT {self.write(part)})"

    def _among(self, column: str, values: tuple[str, ...]) -> str:
        said = [value for value in values if value]
        tests = [f"{column} IS NULL OR {column} = ''"] if len(said) < len(values) else []
        if said:
            listed = ", ".join(map(self._next, said))
            test = f"{column} = {listed}" if len(said) == 1 else f"{column} IN ({listed})"
            tests.append(f"({column} IS NOT NULL AND {test})")
        return "(" + " OR ".join(tests) + ")"

    def _next(self, value: str) -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}" if self._style is Placeholder.NUMBERED else "%s"
