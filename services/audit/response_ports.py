"""What detection and response need from the outside. Every method raises `services.kit.errors.Unavailable` when whoever
is asked does not answer in time; then nothing is known to have happened, and it is safe to ask again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.audit.ports import SubjectKey

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A small document with a state. `due`: when somebody has to look at it again; 0 = never."""

    organisation: str
    kind: str
    id: str
    state: str
    document: Document
    parent: str = ""
    made_at: float = 0.0
    due: float = 0.0


class Cases(Protocol):
    """Cases of one organisation, as a caller may see and change them."""

    async def put(self, case: Case) -> bool:
        """Keeps a new one; False when there is one of that id."""
        ...

    async def move(self, case: Case, was: Sequence[str]) -> bool:
        """State, due and document anew, if its state is one of `was`: who is late changes nothing."""
        ...

    async def get(self, organisation: str, kind: str, case_id: str) -> Case | None:
        """One, or none."""
        ...

    async def below(self, organisation: str, parent: str) -> Sequence[Case]:
        """All that belong to one, by id."""
        ...

    async def before(
        self, organisation: str, kind: str, state: str, place: tuple[float, str], limit: int
    ) -> Sequence[Case]:
        """The newest before a place; an empty state is any."""
        ...


class Watch(Cases, Protocol):
    """The same of every organisation, with what whoever watches all chains needs."""

    async def due(self, kind: str, states: Sequence[str], now: float, limit: int) -> Sequence[Case]:
        """Those whose time has come."""
        ...

    async def recent(self, organisation: str, since: float) -> int:
        """Actions since then that count against the cap."""
        ...

    async def turn(self, holder: str, seconds: float) -> Document | None:
        """Takes or keeps the turn to watch; None: another one has it."""
        ...

    async def end(self) -> int:
        """The last position that was sealed."""
        ...

    async def keys(self, organisation: str, ids: Sequence[str]) -> Sequence[SubjectKey]:
        """Wrapped keys of subjects, see `Reader.keys`."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done to whom. `event` names it, so that it counts once."""

    organisation: str
    subject: str
    brand: str = ""
    event: str = ""
    approved: bool = False


class NeedsApprovalError(Exception):
    """Nothing was done: nobody could manage the organisation's keys any more."""


class Hands(Protocol):
    """What playbooks do to others."""

    async def do(self, action: str, order: Order) -> None:
        """Does it; the same again is the same. Raises NeedsApprovalError."""
        ...

    async def undo(self, action: str, order: Order) -> None:
        """Takes it back; what is not there any more is no error."""
        ...
