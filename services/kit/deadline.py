"""The deadline layer: every call has an end, and what is left of it is what peers are given."""

from __future__ import annotations

import asyncio
from typing import Any

from services.kit.call import Call, Proceed
from services.kit.caller import current
from services.kit.errors import DeadlineExceeded


class Deadline:
    """Bounds a call by its caller's deadline, or by the server's own limit when that is shorter or none was given."""

    name = "deadline"
    after: tuple[str, ...] = ("boundary",)

    def __init__(self, limit: float = 10.0, stream_limit: float = 900.0) -> None:
        self._limit = limit
        self._stream_limit = stream_limit

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        """Refuses a spent budget before any work is done."""
        remaining = call.context.time_remaining()
        limit = self._stream_limit if call.streaming else self._limit
        budget = limit if remaining is None else min(float(remaining), limit)
        if budget <= 0:
            raise DeadlineExceeded
        call.deadline = asyncio.get_running_loop().time() + budget
        async with asyncio.timeout_at(call.deadline):
            return await proceed()


def remaining(at_most: float) -> float:
    """Seconds left of the current call, at most `at_most`; raises DeadlineExceeded when nothing is left."""
    call = current.get()
    if call is None or not call.deadline:
        return at_most
    left = call.deadline - asyncio.get_running_loop().time()
    if left <= 0.001:  # under a millisecond nothing can be asked any more
        raise DeadlineExceeded
    return min(at_most, left)
