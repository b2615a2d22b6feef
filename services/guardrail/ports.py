"""What the guardrail needs from the outside, and how each of it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

from services.guardrail.policy.definition import Definition
from services.guardrail.policy.model import Part
from services.kit.caller import Caller

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Leak:
    """Personal data in a text, in code points."""

    entity: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """May the caller do this?"""

    action: str
    type: str
    id: str


class Answer(Enum):
    """What tenancy says. Whatever is not a clear allow is one of the refusals."""

    ALLOWED = "allowed"
    NOT_PERMITTED = "not_permitted"
    ORGANISATION_SUSPENDED = "organisation_suspended"
    POLICY_ERROR = "policy_error"


class Detector(Protocol):
    """Finds personal data. Raises `Unavailable` when it cannot look for all that is wanted: never a partial answer."""

    async def find(self, token: str, text: str, entities: Sequence[str]) -> list[Leak]:
        """All findings of these entities; `token` is the caller's own."""
        ...


class Classifier(Protocol):
    """A second opinion from outside, off by default. Raises `Unavailable` when there is none in time."""

    async def judge(self, token: str, parts: Sequence[Part]) -> list[bool]:
        """For each part whether it is an attack; what leaves the house is redacted first."""
        ...


class Permissions(Protocol):
    """The same decision that the caller's own request meets. Raises `Unavailable` when there is none."""

    async def ask(self, token: str, questions: Sequence[Question]) -> list[Answer]:
        """One answer for each question, in order; `token` is the caller's own."""
        ...


class ToolStore(Protocol):
    """Tools of the caller's organisation. Raises `Unavailable` when the store is away, having changed nothing."""

    async def get(self, caller: Caller, tool: str) -> Definition | None:
        """The tool; None also for one of another organisation."""
        ...

    async def put(self, caller: Caller, definition: Definition, most: int) -> bool:
        """Creates or replaces; False when the organisation has `most` tools already."""
        ...

    async def permissions(self, caller: Caller) -> tuple[str, ...]:
        """Every permission that a tool of the organisation asks for."""
        ...

    async def page(self, caller: Caller, permissions: Sequence[str], after: str, limit: int) -> tuple[Definition, ...]:
        """Tools by name that ask for one of these permissions."""
        ...


class Worker(Protocol):
    """Runs the pure work on texts, long ones off the event loop. Raises `Exhausted` when too many long ones wait."""

    async def run(self, characters: int, work: Callable[[], Result]) -> Result:
        """What `work` returns; `characters` says how long it may take."""
        ...
