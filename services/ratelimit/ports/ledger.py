"""What the ledger needs from outside, and how each of them fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.kit.postgres import Proven


@dataclass(frozen=True, slots=True)
class Charge:
    """An amount in one window of one counter. Windows are named by the seconds in which they begin and end."""

    subject: str
    field: str
    begins_s: int
    ends_s: int
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a request: `kind` as the scripts name it, `packed` the hold where it was opened."""

    entry_id: str
    kind: str
    request_id: str
    opened_us: int
    at_us: int
    workload: str
    tokens: int
    micro_usd: int
    expires_us: int
    charges: tuple[Charge, ...]
    packed: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class OpenHold:
    """A reservation that nobody has settled."""

    request_id: str
    expires_us: int
    packed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SettledRequest:
    """A request that was settled a short time ago: its id is spent."""

    request_id: str
    workload: str
    released: bool
    micro_usd: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An organisation's budgets as the ledger has them: charges in windows that are not over, open holds included."""

    charges: tuple[Charge, ...]
    holds: tuple[OpenHold, ...]
    settled: tuple[SettledRequest, ...]


@dataclass(frozen=True, slots=True)
class Offset:
    """Where the stream of an organisation stands: its last id ever, what waits, and whether its store is whole."""

    last: str
    waiting: int
    whole: bool


class Stream(Protocol):
    """The streams of entries, one for each organisation. Raises `Unavailable("redis")`."""

    async def drain(self, organisation: str, most: int, idle_ms: int) -> Sequence[Entry]:
        """Entries to write down; those of a consumer that has not finished for `idle_ms` come again. An entry that
        cannot be read is left out, with a line in the log, and stays."""
        ...

    async def forget(self, organisation: str, entry_ids: Sequence[str]) -> None:
        """Takes out what is written down."""
        ...

    async def offset(self, organisation: str) -> Offset:
        """Where it stands."""
        ...

    async def announce(self, organisation: str) -> None:
        """Makes the organisation known to every process."""
        ...

    async def organisations(self) -> Sequence[str]:
        """Those that were announced."""
        ...

    async def seed(self, organisation: str, offset: Offset, snapshot: Snapshot) -> bool:
        """Puts budgets back and marks the store whole; False, and no mark, when the stream has moved on."""
        ...

    async def servers(self) -> tuple[str, str]:
        """Which runs of which servers hold the streams now, and which did when `remember_servers` was last called."""
        ...

    async def remember_servers(self, runs: str) -> None:
        """Keeps them for every process."""
        ...

    async def doubt(self, organisation: str) -> None:
        """Takes the mark away: nothing is decided until the budgets are checked against the ledger."""
        ...


class Book(Protocol):
    """The ledger at rest. Raises `Unavailable("postgres")`."""

    async def append(self, organisation: str, entries: Sequence[Entry]) -> int:
        """Writes entries down in one transaction; what is there already is left as it is. How many were new."""
        ...

    async def fold(self, after: str, before_us: int, forget_s: int, most: int) -> tuple[str, int]:
        """Turns what is older than `before_us` into sums of windows, of the first organisation after `after` that has
        any, and forgets sums of windows that ended before `forget_s`. Bounded, and whole or not at all: which
        organisation, and how many rows; "" when nothing is left, or another process is at it."""
        ...

    async def snapshot(self, proof: Proven, organisation: str, now_us: int) -> Snapshot:
        """The budgets of the organisation that `proof` proves."""
        ...
