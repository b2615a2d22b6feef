"""What the guardrail needs from the outside, and how each of it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from services.guardrail.policy.approvals import Approval, State
from services.guardrail.policy.calls import Past
from services.guardrail.policy.definition import Definition
from services.guardrail.policy.model import Part
from services.guardrail.policy.own import Own
from services.kit import permissions
from services.kit.caller import Caller

Result = TypeVar("Result")
# Tenancy is asked in the same words by every service.
Answer = permissions.Answer
Permissions = permissions.Permissions
Question = permissions.Question


@dataclass(frozen=True, slots=True)
class Leak:
    """Personal data in a text, in code points."""

    entity: str
    start: int
    end: int


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


@dataclass(frozen=True)
class Registered:
    """A tool with the hash of the definition that was approved."""

    definition: Definition
    approved_hash: str

    @property
    def approved(self) -> bool:
        """Whether calls may be checked against it."""
        return self.definition.hash == self.approved_hash


class ToolStore(Protocol):
    """Tools of the caller's organisation. Raises `Unavailable` when the store is away, having changed nothing."""

    async def get(self, caller: Caller, tool: str, *, fresh: bool = False) -> Registered | None:
        """The tool; None also for one of another organisation. Less than a second old, or `fresh`."""
        ...

    async def put(self, caller: Caller, definition: Definition, most: int, *, approve: bool) -> str | None:
        """Creates or replaces; the hash that is approved now. None when the organisation has `most` tools already."""
        ...

    async def approve(self, caller: Caller, tool: str, definition_hash: str) -> bool:
        """Approves exactly this definition; False when it is not the tool's."""
        ...

    async def permissions(self, caller: Caller) -> tuple[str, ...]:
        """Every permission that a tool of the organisation asks for."""
        ...

    async def page(self, caller: Caller, permissions: Sequence[str], after: str, limit: int) -> tuple[Definition, ...]:
        """Approved tools by name that ask for one of these permissions."""
        ...

    async def waiting(self, caller: Caller, after: str, limit: int) -> tuple[Definition, ...]:
        """Tools by name whose definition waits for approval."""
        ...


class Turn(Protocol):
    """One caller's turn: no other call of the same user is decided meanwhile, in any process."""

    async def past(self, tool: str, conversation: str) -> tuple[Past, str]:
        """What was called before, and the hash of the tool's definition when it is approved."""
        ...

    async def use(self, approval: str, digest: str) -> bool:
        """Spends an approval of exactly this call; False when there is none that is granted, unspent and alive."""
        ...

    async def record(self, tool: str, conversation: str, labels: Sequence[str]) -> None:
        """The call is allowed. Holds only when the turn ends well."""
        ...


class Ledger(Protocol):
    """What was called. Raises `Unavailable` when the store is away, having changed nothing."""

    def turn(self, caller: Caller) -> AbstractAsyncContextManager[Turn]:
        """The caller's turn; what it changed holds when it ends without an error."""
        ...


class ApprovalStore(Protocol):
    """Approvals of the caller's organisation. Raises `Unavailable` when the store is away, having changed nothing."""

    async def ask(self, caller: Caller, wanted: Approval, seconds: int, most: int) -> str:
        """The id of the request, an older one's when the same call waits already; empty when `most` wait."""
        ...

    async def get(self, caller: Caller, approval: str) -> Approval | None:
        """One; None also for another organisation's."""
        ...

    async def decide(self, caller: Caller, approval: str, state: State) -> float:
        """From waiting to `state`; the end of its life, 0 when it does not wait any more."""
        ...

    async def page(self, caller: Caller, before: str, limit: int) -> tuple[Approval, ...]:
        """Those of the caller's brand, newest first."""
        ...


class Sealer(Protocol):
    """Keeps arguments unreadable to whoever has only the store. Raises KeyMissingError without a key."""

    def seal(self, caller: Caller, digest: str, text: str) -> bytes:
        """The text, bound to the organisation and the digest of its call."""
        ...

    def open(self, caller: Caller, digest: str, sealed: bytes) -> str:
        """The text; empty for what does not open."""
        ...


@dataclass(frozen=True, slots=True)
class StoredChoice:
    """What an organisation has chosen for one place, as JSON, and its version."""

    document: str
    version: int


class Policies(Protocol):
    """What holds for a caller's brand. Raises `Unavailable` when it was never read; later the last good one stays."""

    async def of(self, caller: Caller) -> Own:
        """The operator's policy with the organisation's own choices."""
        ...


class ChoiceStore(Protocol):
    """Choices of the caller's organisation. Raises `Unavailable` when the store is away, having changed nothing."""

    async def get(self, caller: Caller, brand: str) -> StoredChoice | None:
        """What is stored for a brand, empty = for every brand."""
        ...

    async def put(self, caller: Caller, brand: str, document: str, expected: int) -> int:
        """Replaces it and returns the new version; 0 when `expected` is given and another version is stored."""
        ...


class Worker(Protocol):
    """Runs the pure work on texts, long ones off the event loop. Raises `Exhausted` when too many long ones wait."""

    async def run(self, characters: int, work: Callable[[], Result]) -> Result:
        """What `work` returns; `characters` says how long it may take."""
        ...
