"""What was accepted a moment ago, by the digest of a credential."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from services.kit.clock import Clock

REMEMBERED = 10_000
V = TypeVar("V")


class Recent(Generic[V]):
    """Bounded, and short: a value is forgotten after `seconds`. Never to be believed without its epochs."""

    def __init__(self, clock: Clock, seconds: float, most: int = REMEMBERED) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._known: OrderedDict[bytes, tuple[float, V]] = OrderedDict()

    def get(self, digest: bytes) -> V | None:
        """The value, if remembered and fresh."""
        entry = self._known.get(digest)
        return entry[1] if entry is not None and entry[0] > self._clock.now() else None

    def put(self, digest: bytes, value: V) -> None:
        """Remember an accepted one."""
        self._known[digest] = (self._clock.now() + self._seconds, value)
        self._known.move_to_end(digest)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

    def drop(self, digest: bytes) -> None:
        """Forget one."""
        self._known.pop(digest, None)
