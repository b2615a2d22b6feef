"""The one place that reads the wall clock (scripts in Redis read Redis's own)."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time; never fails."""

    def now(self) -> float:
        """Unix time in seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Unix time in seconds."""
        return time.time()
