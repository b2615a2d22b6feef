"""What the redaction service needs from outside, and how each of it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.redaction.policy.model import Finding, Rules, Scan
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


class MappingTampered(Exception):
    """A stored record does not open under the key and name it stands for: somebody wrote it who should not."""


class MappingFull(Exception):
    """The conversation already holds as many values as are allowed."""


class MappingStore(Protocol):
    """Values behind placeholders, sealed, for a short time.

    Raises `Unavailable` when the store does not answer: a text whose values cannot be kept is not redacted, and a
    text whose values cannot be read is not restored.
    """

    async def remember(self, scope: Scope, workload: str, values: Sequence[Value]) -> list[Slot]:
        """A slot for each value: the same one for the same value, a new number else. Raises MappingFull."""
        ...

    async def recall(self, scope: Scope, slots: Sequence[Slot]) -> Mapping[Slot, Kept]:
        """What is kept of these slots; missing ones are expired, foreign or never issued. Raises MappingTampered."""
        ...

    async def known(self, scope: Scope) -> Sequence[tuple[str, str]]:
        """Entity and text of every value that the conversation holds. Raises MappingTampered."""
        ...

    def tag(self, scope: Scope, slot: Slot) -> str:
        """Eight letters that nobody can make without the key: not for another place, not in another conversation."""
        ...

    def is_tagged(self, scope: Scope, slot: Slot) -> bool:
        """True when the slot bears the tag of its place."""
        ...

    async def forget(self, scope: Scope) -> bool:
        """Deletes every value of the conversation; True when there was one. Numbers stay used."""
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
