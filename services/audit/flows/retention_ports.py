"""What a retention run needs from the outside. Every method raises `Unavailable` when the store does not answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from services.audit.policy import Head, Link, Record, Signed


class BusyError(Exception):
    """Another run is at work."""


@dataclass(slots=True)
class RunRow:
    """One run. `at` is the moment that ages are counted from: a run that goes on later still means that one."""

    run_id: str
    policy: str
    at: float
    started: float
    finished: float | None = None
    gone: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A legal hold; `subject` empty = the whole organisation."""

    organisation: str
    hold_id: str
    subject: str
    reason: str
    placed_by: str
    placed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Chain:
    """What lies of a chain in one month; `cut` is its last cut."""

    organisation: str
    first: int
    last: int
    held: bool
    cut: int


@dataclass(frozen=True, slots=True)
class Archive:
    """What is remembered of a file."""

    first: int
    last: int
    tip: bytes
    digest: bytes
    made_at: float


class Journal(Protocol):
    """Runs and holds."""

    def alone(self) -> AbstractAsyncContextManager[None]:
        """While it lasts nobody else runs. Raises BusyError."""
        ...

    async def begin(self, run: RunRow) -> None:
        """A new run."""
        ...

    async def note(self, run: RunRow) -> None:
        """How far it is."""
        ...

    async def last(self, *, finished: bool) -> RunRow | None:
        """The latest run, or the latest that ended."""
        ...

    async def holds(self) -> Sequence[HoldRow]:
        """Those that stand."""
        ...

    async def place_hold(self, hold: HoldRow) -> None:
        """From then on nothing of it goes."""
        ...

    async def release_hold(self, hold_id: str, operator: str) -> str | None:
        """Whose it was; None when no such hold stands."""
        ...

    async def report(self, records: Sequence[Record]) -> None:
        """Puts events on record; durable when it returns."""
        ...


class Months(Protocol):
    """The trail by months, oldest first, and what becomes of them."""

    async def months(self) -> Sequence[str]:
        """Those that there are, as YYYYMM."""
        ...

    async def chains(self, month: str) -> Sequence[Chain]:
        """What lies in one."""
        ...

    async def archives(self, month: str) -> Mapping[str, Archive]:
        """Files of a month, by organisation."""
        ...

    async def put_archive(self, organisation: str, month: str, archive: Archive) -> None:
        """Remembers a file."""
        ...

    async def put_cut(self, organisation: str, sequence: int, cut: Signed) -> None:
        """From now on the chain may begin after this place."""
        ...

    async def forget(self, organisation: str, after: int, until: int, *, events_too: bool) -> None:
        """Drops what is before a cut: ids, and with `events_too` events. The store refuses what is not, or is held."""
        ...

    async def drop(self, month: str) -> None:
        """Drops a month as a whole. The store refuses one in which anything is not before its cut, or is held."""
        ...

    async def links(self, organisation: str, after: int, until: int, limit: int) -> Sequence[Link]:
        """Events by position."""
        ...

    async def marks(self, organisation: str, after: int, limit: int) -> Sequence[Signed]:
        """Checkpoints past a position."""
        ...

    async def head(self, organisation: str) -> Head:
        """The end of a chain by its own word."""
        ...


class Archives(Protocol):
    """Where months go. Blocking; every method raises Unavailable when it cannot be used."""

    def path(self, organisation: str, month: str) -> Path:
        """The file of a month."""
        ...

    def writing(self, organisation: str, month: str) -> AbstractContextManager[IO[bytes]]:
        """A new file; in its place, on disk, when the body ended well."""
        ...

    def digest(self, organisation: str, month: str) -> bytes:
        """SHA-256 of a file; empty when there is none."""
        ...

    def enter(self, organisation: str, month: str, facts: dict[str, Any]) -> None:
        """Adds a file to the index."""
        ...
