"""Definitions of tools, remembered for a moment: an allowed call is held against the store again, by hash."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from services.guardrail.policy.definition import Definition
from services.guardrail.ports import Registered, ToolStore
from services.kit.caller import Caller
from services.kit.clock import Clock

SECONDS = 0.5
_MOST = 2_048


class RememberedTools:
    """A `ports.ToolStore` that is asked at most every half second about one tool of one organisation.

    What is not there is asked for each time.
    """

    def __init__(self, store: ToolStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[float, Registered]] = OrderedDict()

    async def get(self, caller: Caller, tool: str, *, fresh: bool = False) -> Registered | None:
        """See the port."""
        key, now = (caller.organisation, tool), self._clock.now()
        read_at, found = self._known.get(key, (0.0, None))
        if found is not None and not fresh and 0 <= now - read_at < SECONDS:
            return found
        found = await self._store.get(caller, tool, fresh=True)
        self._known.pop(key, None)
        if found is not None:
            self._known[key] = (now, found)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return found

    async def put(self, caller: Caller, definition: Definition, most: int, *, approve: bool) -> str | None:
        """See the port."""
        try:
            return await self._store.put(caller, definition, most, approve=approve)
        finally:
            self._known.pop((caller.organisation, definition.tool), None)

    async def approve(self, caller: Caller, tool: str, definition_hash: str) -> bool:
        """See the port."""
        try:
            return await self._store.approve(caller, tool, definition_hash)
        finally:
            self._known.pop((caller.organisation, tool), None)

    async def permissions(self, caller: Caller) -> tuple[str, ...]:
        """See the port."""
        return await self._store.permissions(caller)

    async def page(self, caller: Caller, permissions: Sequence[str], after: str, limit: int) -> tuple[Definition, ...]:
        """See the port."""
        return await self._store.page(caller, permissions, after, limit)

    async def waiting(self, caller: Caller, after: str, limit: int) -> tuple[Definition, ...]:
        """See the port."""
        return await self._store.waiting(caller, after, limit)
