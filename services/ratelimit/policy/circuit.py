"""When to stop asking a store that does not answer, and when to try again. Pure: the time is given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CircuitState(StrEnum):
    """What a circuit does with a call."""

    CLOSED = "closed"  # asks
    OPEN = "open"  # refuses at once
    HALF_OPEN = "half_open"  # one call is asking, all others are refused


@dataclass(frozen=True, slots=True)
class CircuitRules:
    """`failures` in a row open it; after `pause` seconds one call tries, and every failed try doubles the pause."""

    failures: int = 5
    pause: float = 0.5
    longest_pause: float = 5.0


class Circuit:
    """One circuit. `admit` before a call; then exactly one of `succeeded`, `failed` and `abandoned`."""

    def __init__(self, rules: CircuitRules) -> None:
        self._rules = rules
        self._failures = 0
        self._pause = rules.pause
        self._try_at = 0.0
        self.state = CircuitState.CLOSED

    def admit(self, now: float) -> bool:
        """Whether this call may ask."""
        if self.state is CircuitState.CLOSED:
            return True
        if self.state is CircuitState.OPEN and now >= self._try_at:
            self.state = CircuitState.HALF_OPEN
            return True
        return False

    def succeeded(self) -> bool:
        """The store answered; True when the circuit is closed by it. A call that was let through before the circuit
        opened closes it too: an answer is an answer."""
        changed = self.state is not CircuitState.CLOSED
        self.state = CircuitState.CLOSED
        self._failures = 0
        self._pause = self._rules.pause
        return changed

    def failed(self, now: float) -> bool:
        """The store did not answer; True when the circuit is opened by it."""
        if self.state is CircuitState.HALF_OPEN:
            self._pause = min(self._pause * 2, self._rules.longest_pause)
            self.state, self._try_at = CircuitState.OPEN, now + self._pause
            return False  # it was open but for this one try
        self._failures += 1
        if self.state is CircuitState.CLOSED and self._failures >= self._rules.failures:
            self.state, self._try_at = CircuitState.OPEN, now + self._pause
            return True
        return False

    def abandoned(self, now: float) -> None:
        """The call was cancelled: nothing is known. A try that was given up leaves the next one free at once."""
        if self.state is CircuitState.HALF_OPEN:
            self.state, self._try_at = CircuitState.OPEN, now
