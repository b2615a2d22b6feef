"""A short memory of standings and brands, so that a conversation does not read PostgreSQL at every message.

Facts age from the moment their reading began, and a change made through this process outdates even a reading that is
under way. That something does not exist is remembered just as well, so that time does not tell the two apart.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.kit.caller import Caller
from services.tenancy.policy import Standing
from services.tenancy.ports import Facts, TenancyStore

V = TypeVar("V")
_MAX_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    read_at: float
    change: int


class _Memory(Generic[V]):
    """Least recently written first out."""

    def __init__(self, limit: int) -> None:
        self._entries: OrderedDict[tuple[str, str], _Entry[V]] = OrderedDict()
        self._limit = limit

    def get(self, organisation: str, name: str, oldest: float, change: int) -> _Entry[V] | None:
        entry = self._entries.get((organisation, name))
        return entry if entry and entry.read_at > oldest and entry.change == change else None

    def put(self, organisation: str, name: str, entry: _Entry[V]) -> None:
        self._entries[organisation, name] = entry
        self._entries.move_to_end((organisation, name))
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)


class CachedFacts:
    """Implements `ports.FactsReader` over a store."""

    def __init__(
        self,
        store: TenancyStore,
        seconds: float,
        now: Callable[[], float] = time.monotonic,
        limit: int = _MAX_ENTRIES,
    ) -> None:
        self._store = store
        self._seconds = seconds
        self._now = now
        self._standings: _Memory[Standing | None] = _Memory(limit)
        self._brands: _Memory[bool] = _Memory(limit)
        self._changes: dict[str, int] = {}

    async def facts(self, caller: Caller, brands: Collection[str] = ()) -> Facts:
        """See the port."""
        org, started = caller.organisation, self._now()
        oldest, change = started - self._seconds, self._changes.get(org, 0)
        standing = self._standings.get(org, caller.subject, oldest, change)
        known = {name: self._brands.get(org, name, oldest, change) for name in brands}
        if standing is not None and all(known.values()):
            return Facts(standing.value, frozenset(name for name, entry in known.items() if entry and entry.value))
        found = await self._store.facts(caller, brands)
        self._standings.put(org, caller.subject, _Entry(found.standing, started, change))
        for name in known:
            self._brands.put(org, name, _Entry(name in found.brands, started, change))
        return found

    def forget(self, organisation: str) -> None:
        """See the port."""
        self._changes[organisation] = self._changes.get(organisation, 0) + 1
