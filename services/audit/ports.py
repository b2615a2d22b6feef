"""What audit needs from the outside.

Every method raises `services.kit.errors.Unavailable` when the store does not answer in time. Reading sees the trail of
the caller's organisation only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.audit.policy import Head, Link
from services.kit.caller import Caller


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` (included) to `end` (left out), microseconds since 1970."""

    start: int
    end: int


class AuditStore(Protocol):
    """Where chains are kept."""

    async def append(self, bodies: Mapping[str, Sequence[bytes]]) -> int:
        """Puts canonical events at the end of the chain of each organisation; all of them or, when it raises, none
        for certain. Events known by their id are left out; returns how many were not."""
        ...

    async def find(self, caller: Caller, span: Span, after: tuple[int, int], limit: int) -> Sequence[Link]:
        """Up to `limit` events of a span of time, by time, past `after` (time and position)."""
        ...

    async def stretch(self, caller: Caller, span: Span) -> tuple[int, int]:
        """First and last position of the events of a span of time; (0, 0) when there are none."""
        ...

    async def links(self, caller: Caller, after: int, until: int, limit: int) -> Sequence[Link]:
        """Up to `limit` events by position, past `after`, up to and with `until`."""
        ...

    async def head(self, caller: Caller) -> tuple[Head, int]:
        """The end of the chain by its own word and the greatest position there is, of one moment."""
        ...
