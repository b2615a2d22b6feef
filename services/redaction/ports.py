"""What the redaction service needs from outside, and how each of it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.kit.caller import Caller
from services.redaction.policy.model import Finding, Rules, Scan
from services.redaction.policy.own import Choices, Own, Recognizer
from services.redaction.policy.placeholders import Slot


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose mapping it is. Organisation and user come from the caller's proof, never from a request: who names a
    colleague's conversation finds a mapping of their own."""

    organisation: str
    subject: str
    conversation: str


@dataclass(frozen=True, slots=True)
class Value:
    """One distinct value that is to get a placeholder."""

    entity: str
    text: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A value as it was kept, and the workload that had it replaced."""

    text: str
    redacted_by: str


@dataclass(frozen=True, slots=True)
class Held:
    """Entity and text of every value of a conversation; `key` is its key as the store has it, empty for none."""

    values: Sequence[tuple[str, str]]
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """What ending a conversation found: whether it held anything, and whether its key was there to destroy."""

    existed: bool
    key_destroyed: bool


class MappingTampered(Exception):
    """A stored record does not open under the key and name it stands for: somebody wrote it who should not."""


class MappingFull(Exception):
    """The conversation already holds as many values as are allowed."""


class MappingStore(Protocol):
    """Values behind placeholders, sealed, for a short time.

    Raises `Unavailable` when the store does not answer: a text whose values cannot be kept is not redacted, and a
    text whose values cannot be read is not restored.
    """

    async def remember(self, scope: Scope, workload: str, values: Sequence[Value], stored: bytes = b"") -> list[Slot]:
        """A slot for each value: the same one for the same value, a new number else. `stored` is the key that `known`
        gave; without it, or when it changed since, it takes longer. Raises MappingFull, MappingTampered."""
        ...

    async def recall(self, scope: Scope, slots: Sequence[Slot]) -> Mapping[Slot, Kept]:
        """What is kept of these slots; missing ones are expired, foreign or never issued. Raises MappingTampered."""
        ...

    async def known(self, scope: Scope) -> Held:
        """Every value that the conversation holds. Raises MappingTampered."""
        ...

    def tag(self, scope: Scope, slot: Slot) -> str:
        """Eight letters that nobody can make without the key: not for another place, not in another conversation."""
        ...

    def is_tagged(self, scope: Scope, slot: Slot) -> bool:
        """True when the slot bears the tag of its place."""
        ...

    async def forget(self, scope: Scope) -> Ended:
        """Destroys the conversation's key and deletes its values: no copy of them opens again. Numbers stay used."""
        ...


class OwnStore(Protocol):
    """What an organisation stores for itself. Raises `Unavailable` when the store is away or takes the caller for
    nobody's: what cannot be read is never taken for nothing. A change that fails has changed nothing."""

    async def version(self, caller: Caller) -> int:
        """The count of changes so far; 0 when nothing was ever stored."""
        ...

    async def read(self, caller: Caller) -> Own:
        """All of it."""
        ...

    async def put(self, caller: Caller, wanted: Recognizer, most: int) -> Recognizer:
        """Creates or replaces; raises Aborted for an etag that is not the present one, FailedPrecondition when the
        organisation has `most` others already."""
        ...

    async def delete(self, caller: Caller, entity: str, etag: str) -> bool:
        """True when there was one; raises Aborted like `put`."""
        ...

    async def choose(self, caller: Caller, wanted: Choices) -> Choices:
        """Replaces the choices; raises Aborted like `put`."""
        ...


class Detector(Protocol):
    """Finds further entities. Raises DetectionFailed when it cannot finish: never a partial answer."""

    @property
    def findable(self) -> frozenset[str]:
        """Entities it can find."""
        ...

    def find(self, text: str, wanted: frozenset[str]) -> Sequence[Finding]:
        """All findings of the wanted entities, unsure ones included, in code points."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """Names and places of each text, in code points of the text as given; `degraded` when the search was cut short
    and the organisation's policy allows to go on without it."""

    spans: Sequence[Sequence[Finding]]
    degraded: bool = False


class Namer(Protocol):
    """Finds names and places by a model.

    Raises DetectionFailed when it is late or broken and the policy says `closed`; never a partial answer else.
    """

    @property
    def findable(self) -> frozenset[str]:
        """Entities it can find."""
        ...

    async def names(self, texts: Sequence[str], wanted: frozenset[str], rules: Rules) -> Named:
        """The findings of the wanted entities, one list a text."""
        ...


class Scanner(Protocol):
    """Searches texts off the event loop where they are long.

    Raises `Exhausted` when too many long texts wait, `Unavailable` when a detector could not finish.
    """

    async def scan(self, texts: Sequence[str], rules: Rules) -> list[Scan]:
        """One result for each text, in order."""
        ...
