"""From the standing of each limit to one answer that a caller can act on."""

from __future__ import annotations

from collections.abc import Sequence

from services.ratelimit.policy.model import Decision, OnExceed, Outcome, Reason, Standing, Unit


def decide(standings: Sequence[Standing]) -> Decision:
    """All limits must pass, so the time to wait is the largest over those that failed.

    "Never fits" is told apart from "later": no time to wait would be true for it. A limit that only observes
    is listed and does not count.
    """
    failing = [s for s in standings if not s.fits and not s.limit.observe]
    shown = tuple(standings)
    if not failing:
        return Decision(Outcome.ALLOW, Reason.NONE, shown)
    wait = max(s.wait_us for s in failing)
    if any(s.limit.on_exceed is OnExceed.CHALLENGE for s in failing):
        return Decision(Outcome.CHALLENGE, Reason.ADDRESS_OVER_LIMIT, shown, wait)
    if any(s.never for s in failing):
        return Decision(Outcome.DENY, Reason.NEVER_FITS, shown)
    budget = any(s.limit.unit is not Unit.REQUESTS for s in failing)
    return Decision(Outcome.THROTTLE, Reason.BUDGET_EXHAUSTED if budget else Reason.RATE_LIMITED, shown, wait)
