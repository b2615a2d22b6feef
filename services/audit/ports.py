"""What audit needs from the outside.

Every method raises `services.kit.errors.Unavailable` when the store does not answer in time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.audit.policy import Head, Link, Signed
from services.kit.caller import Caller


class ErasedMeanwhileError(Exception):
    """A subject's key was destroyed after the events were sealed with it: they must be sealed anew."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` (included) to `end` (left out), microseconds since 1970."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for; what is empty does not matter."""

    actors: Sequence[str] = ()
    outcome: str = ""
    trace_id: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A wrapped key of a subject and the version of the key port's key that it is wrapped with."""

    key_id: str
    kid: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one organisation, sealed with the keys of these ids."""

    bodies: Sequence[bytes]
    keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A chain that has grown since its last checkpoint; `signed` 0 = never signed."""

    organisation: str
    head: int
    signed: int
    signed_at: float


class Inbox(Protocol):
    """Where events come in; what may only be added to."""

    async def take_in(self, batches: Mapping[str, Batch]) -> int:
        """Keeps canonical events durably; all of them or, when it raises, none for certain. Events known by their id
        are left out; returns how many were not. Raises ErasedMeanwhileError."""
        ...

    async def subject_keys(
        self, organisation: str, tags: Sequence[Sequence[bytes]], made: Sequence[SubjectKey]
    ) -> Sequence[SubjectKey]:
        """For each subject the key that has one of its tags; the one of `made`, kept under the first tag, when there is
        none. Raises Unavailable as well when one was erased at that very moment."""
        ...


class KeyReader(Protocol):
    """What opening sealed fields needs to read."""

    @property
    def organisation(self) -> str:
        """Whose keys; empty for the platform's."""

    async def keys(self, ids: Sequence[str]) -> Sequence[SubjectKey]:
        """The wrapped keys of these ids that were not erased."""
        ...


class Reader(KeyReader, Protocol):
    """One chain as a caller may see it: of the caller's organisation, or the platform's for an operator."""

    @property
    def organisation(self) -> str:
        """Whose chain; empty for the platform's."""

    async def find(self, span: Span, wanted: Wanted, after: tuple[int, int], limit: int) -> Sequence[Link]:
        """Up to `limit` events of a span of time, by time, past `after` (time and position)."""
        ...

    async def stretch(self, span: Span) -> tuple[int, int]:
        """First and last position of the events of a span of time; (0, 0) when there are none."""
        ...

    async def links(self, after: int, until: int, limit: int) -> Sequence[Link]:
        """Up to `limit` events by position, past `after`, up to and with `until`."""
        ...

    async def head(self) -> tuple[Head, int]:
        """The end of the chain by its own word and the greatest position there is, of one moment."""
        ...

    async def checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Signed]]:
        """Signed checkpoints past a position, in order, with the position that each is kept under."""
        ...

    async def before(self, position: int) -> Signed | None:
        """The last checkpoint up to and with a position."""
        ...

    async def cut(self) -> Signed | None:
        """The last place up to which the chain may be gone into archives."""
        ...

    async def keys_of(self, tags: Sequence[bytes]) -> Sequence[str]:
        """The ids of the keys that have one of these tags."""
        ...


class Readers(Protocol):
    """Ways to chains."""

    def of(self, caller: Caller) -> Reader:
        """The chain of the caller's organisation."""
        ...

    def platform(self) -> Reader:
        """The chain of what has no organisation. For operators."""
        ...

    async def erase(self, caller: Caller, tags: Sequence[bytes]) -> Sequence[str]:
        """Destroys a subject's keys; returns their ids, empty when there was none."""
        ...


class SealStore(Protocol):
    """The sealer's part: chains grow by it alone, and it may read all of them."""

    async def seal(self, organisation: str, most: int) -> int:
        """Puts up to `most` waiting events at the end of a chain; returns how many."""
        ...

    async def seal_waiting(self, chains: int, most: int) -> int:
        """The same for up to so many chains that have something waiting."""
        ...

    async def ensure_partitions(self) -> None:
        """Makes room for the months to come."""
        ...

    async def unsigned(self, most: int) -> Sequence[Unsigned]:
        """Chains that have grown since they were signed."""
        ...

    async def links(self, organisation: str, after: int, until: int, limit: int) -> Sequence[Link]:
        """See `Reader.links`."""
        ...

    async def sealed_after(self, position: int, limit: int) -> Sequence[tuple[int, str, Link]]:
        """Events of all chains in the order in which they were sealed, past a position: place, organisation, event.
        What rules over the stream of events go on from."""
        ...

    async def tip(self, organisation: str) -> Head:
        """The end of a chain by its own word."""
        ...

    async def last_checkpoint(self, organisation: str) -> Signed | None:
        """The latest one, as it lies there."""
        ...

    async def put_checkpoint(self, signed: Signed) -> bool:
        """Keeps one; False when there is one of that position."""
        ...

    async def unanchored(self, anchor: str, most: int) -> Sequence[Signed]:
        """Checkpoints that an anchor does not have yet, those of a chain in order."""
        ...

    async def mark_anchored(self, anchor: str, signed: Signed) -> None:
        """Remembers that it has this one and all before it."""
        ...


class AnchorBrokenError(Exception):
    """What lies at an anchor is not what was put there, or is in the way of it."""


class Anchor(Protocol):
    """A place outside of the database where checkpoints are kept."""

    @property
    def name(self) -> str:
        """By which its progress is remembered."""

    async def put(self, signed: Signed) -> None:
        """Keeps a checkpoint for good; the same one again is no error. Raises Unavailable, or AnchorBrokenError when
        another one lies in its place."""
        ...

    async def read(self, organisation: str, after: int, limit: int) -> Sequence[Signed]:
        """Checkpoints of a chain past a position, in order; empty where nothing can be read back. Raises Unavailable,
        AnchorBrokenError."""
        ...
