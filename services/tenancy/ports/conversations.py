"""What conversations need from the outside.

Every store method raises `services.kit.errors.Unavailable` when the store does not answer in time, and then has changed
nothing; it sees and changes rows of the caller's organisation only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from services.kit.caller import Caller
from services.tenancy.policy.conversations import Chain, Head, Place, Row


@dataclass(frozen=True, slots=True)
class Stored:
    """A conversation as it is: its wrapped key, its head, and the mark of the turn that the head speaks of."""

    wrapped_key: bytes = field(repr=False)
    head: Head
    last_mark: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """Makes a retry known; an empty id never repeats."""

    id: str
    proof: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Addition:
    """One turn to be added, and the conversation after it."""

    row: Row
    head: Head
    wrapped_key: bytes = field(repr=False)
    retention: str
    request: Request


@dataclass(frozen=True, slots=True)
class Repeated:
    """The turn that a request of this id added before."""

    sequence: int
    mark: bytes = field(repr=False)
    proof: bytes = field(repr=False)
    wrapped_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which turns to read: after a number, or the `last` so many; and the mark of the turn `witnessed` (0 = none)."""

    after: int
    last: int
    limit: int
    witnessed: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was asked for, all of one moment. `after` and `previous` are the number and mark of the turn before."""

    stored: Stored
    after: int
    previous: bytes | None = field(repr=False)
    witnessed: bytes | None = field(repr=False)
    rows: tuple[Row, ...]


class ConversationStore(Protocol):
    """Conversations and their turns."""

    async def append(
        self, caller: Caller, place: Place, request_id: str, add: Callable[[Stored | None], Addition]
    ) -> Addition | Repeated:
        """Adds what `add` makes of the conversation as it is (None: there is none yet); nothing else is added
        meanwhile. Whatever `add` raises leaves everything as it was."""
        ...

    async def load(self, caller: Caller, place: Place, wanted: Wanted) -> Loaded | None:
        """One statement; None when there is no such conversation."""
        ...

    async def forget(self, caller: Caller, place: Place) -> bool:
        """Deletes the conversation with its key and turns; False when there was none."""
        ...


class Keys(Protocol):
    """The keys of one conversation."""

    chain: Chain

    def seal(self, text: str, bound: bytes) -> bytes:
        """The sealed text, bound to its place."""
        ...

    def unseal(self, sealed: bytes, bound: bytes) -> str | None:
        """The text; None when it was altered or belongs elsewhere."""
        ...


class KeyMaker(Protocol):
    """Keys of conversations, wrapped for their organisation. Never fails once made."""

    def make(self, place: Place) -> tuple[bytes, Keys]:
        """A new conversation's keys, and their wrapped form."""
        ...

    def open(self, place: Place, wrapped: bytes) -> Keys | None:
        """The keys; None when the wrapped form was altered, belongs elsewhere, or its key was withdrawn."""
        ...

    def renewed(self, place: Place, wrapped: bytes) -> bytes:
        """The same keys wrapped by the newest version; the very same bytes when that is what they are wrapped by."""
        ...
