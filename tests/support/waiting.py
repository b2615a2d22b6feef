"""Waiting for what happens in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(ask: Callable[[], Awaitable[T]], seconds: float = 8.0) -> T:
    """The first answer that is not empty; the last one when the time is over."""
    limit = time.monotonic() + seconds
    while True:
        answer = await ask()
        if answer or time.monotonic() >= limit:
            return answer
        await asyncio.sleep(0.1)
