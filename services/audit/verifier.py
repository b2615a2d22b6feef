"""Verifies a chain as it lies in the store, a page at a time."""

from __future__ import annotations

import asyncio

from services.audit.policy import Verification
from services.audit.ports import AuditStore
from services.kit.caller import Caller


async def verify(store: AuditStore, caller: Caller, page: int) -> Verification:
    """Reads up to where the chain ended when this began; events that come meanwhile do not disturb it."""
    head, _ = await store.head(caller)
    walk = Verification(caller.organisation, head)
    position = 0
    while position < head.sequence:
        links = await store.links(caller, position, head.sequence, page)
        if not links:
            break
        # Hashing holds the interpreter for milliseconds; in a thread it gives way to other calls meanwhile.
        finding = await asyncio.to_thread(walk.read, links)
        if finding.problem:
            return walk
        position = links[-1].sequence
    walk.end(*await store.head(caller))
    return walk
