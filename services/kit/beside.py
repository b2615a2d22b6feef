"""Work beside a call: it goes on when the caller is cancelled or does not wait."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
# The loop itself keeps only weak references.
_running: set[asyncio.Task[Any]] = set()


def beside(work: Coroutine[Any, Any, T], context: contextvars.Context | None = None) -> asyncio.Task[T]:
    """Work that nobody has to wait for."""
    task = asyncio.create_task(work, context=context)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task


async def to_its_end(work: Coroutine[Any, Any, T], context: contextvars.Context | None = None) -> T:
    """Awaits work that goes on when the one who waits for it is cancelled."""
    return await asyncio.shield(beside(work, context))
