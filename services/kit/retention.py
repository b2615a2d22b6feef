"""How a service says what it keeps, and the door by which what is past its time goes.

A service lists its data in `retention.py`: types that go by age (`Rows`), those in Redis or in memory, which must go by
themselves and are only looked at (`Volatile`), and tables that stay, each with the reason. A policy says how long.
Rows are deleted by a role of the service's own that can call its schema's function `expire` and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

KEPT: Mapping[str, str] = {
    "hauberk.migrations": "what was done to this database, and when",
    "hauberk.org_mac_keys": "keys that prove an organisation; `hauberk keys retire` withdraws them",
}
"""Tables of the kit's own schema."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table; `name` is its name with the schema. `watched`: the service deletes them itself, and here they
    are only counted. `classed`: each row remembers the plan it was written under. `least_days`: what others rely on."""

    name: str
    what: str
    watched: bool = False
    classed: bool = False
    least_days: float = 0.0
    with_it: tuple[str, ...] = ()
    """Tables whose rows go along, by a foreign key."""


@dataclass(frozen=True, slots=True)
class Volatile:
    """Keys of Redis of one pattern, or (without a pattern) what processes remember. `most_seconds` is how long by the
    code or its settings, whatever a policy says; None: without an end, for the reason in `what`."""

    name: str
    what: str
    pattern: str = ""
    most_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Owned:
    """Everything that one service keeps."""

    service: str
    rows: Sequence[Rows] = ()
    volatile: Sequence[Volatile] = ()
    kept: Mapping[str, str] = field(default_factory=dict)

    def tables(self) -> set[str]:
        """Every table that is spoken for."""
        return {name for each in self.rows for name in (each.name, *each.with_it)} | set(self.kept)


@dataclass(frozen=True, slots=True)
class Hold:
    """What must not go: an organisation, or one subject of it."""

    organisation: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """Rows of one type from before a moment (unix seconds), of these organisations (None: of all) and, where rows
    remember a plan, of these."""

    name: str
    before: float
    organisations: Sequence[str] | None = None
    classes: Sequence[str] | None = None


class Expirer(Protocol):
    """The door of one service. Every method raises Unavailable; what was deleted before it then stays deleted."""

    async def count(self, due: Due, holds: Sequence[Hold]) -> int:
        """How many rows would go."""
        ...

    async def delete(self, due: Due, holds: Sequence[Hold], most: int) -> int:
        """Deletes up to `most` rows in one transaction; returns how many."""
        ...
