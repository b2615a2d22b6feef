"""A circuit breaker as plain data: after so many failures in a row nobody is asked for a while, then one is."""

from __future__ import annotations


class Breaker:
    """Closed, open, or half open with one probe on its way. Times are unix seconds, given by the caller."""

    def __init__(self, failures: int, open_seconds: float) -> None:
        self._limit = failures
        self._open_seconds = open_seconds
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    def permits(self, now: float) -> bool:
        """Whether `enter` would let somebody through."""
        if self._opened_at is None:
            return True
        return not self._probing and now - self._opened_at >= self._open_seconds

    def enter(self, now: float) -> bool:
        """Takes the way through; exactly one of the other three follows when it says yes."""
        if not self.permits(now):
            return False
        self._probing = self._opened_at is not None
        return True

    def succeeded(self) -> None:
        """The other side answered."""
        self._failures, self._opened_at, self._probing = 0, None, False

    def failed(self, now: float) -> None:
        """The other side did not answer; a failed probe opens for another term."""
        self._failures += 1
        if self._failures >= self._limit or self._probing:
            self._opened_at = now
        self._probing = False

    def abandoned(self) -> None:
        """Nobody waited for the end: it says nothing of the other side."""
        self._probing = False
