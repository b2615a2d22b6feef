"""Whether somebody is asked to solve a challenge: the policy over what this process has seen of an address."""

from __future__ import annotations

from services.auth.policy import challenges
from services.auth.policy.challenges import AskRules, Visitor
from services.auth.policy.visitors import Failures
from services.kit.clock import Clock


class Asking:
    """Knows refused credentials by address; a proven user is never asked."""

    def __init__(self, rules: AskRules, window_seconds: float, clock: Clock) -> None:
        self._rules, self._clock = rules, clock
        self._failures = Failures(window_seconds)

    def after_refusal(self, client_address: str) -> bool:
        """One more refused credential; whether its bearer is asked from now on. Without an address nobody is."""
        if not client_address:
            return False
        failures = self._failures.note(client_address, self._clock.now())
        return challenges.is_asked(self._rules, Visitor(failures=failures))

    def of_visitor(self, client_address: str, risk: int) -> bool:
        """Whether somebody without any credential is asked."""
        failures = self._failures.count(client_address, self._clock.now()) if client_address else 0
        return challenges.is_asked(self._rules, Visitor(failures=failures, risk=risk))
