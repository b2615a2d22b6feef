"""From the standing of each limit to one answer that a caller can act on."""

from __future__ import annotations

from collections.abc import Sequence

from services.ratelimit.policy.model import (
    Decision,
    Level,
    OnExceed,
    Outcome,
    Penalty,
    Reason,
    Standing,
    Unit,
)

LONG_US = 3_600_000_000  # a window of an hour and more: many wait for the same instant
_JITTER = 10  # the most that is added to such a wait is a tenth of it


def spread(wait_us: int, share: float) -> int:
    """A long wait, made longer by up to a tenth, so that not everybody returns at midnight. Never shorter."""
    return wait_us + int(wait_us / _JITTER * share) if wait_us > 0 else wait_us


def decide(
    standings: Sequence[Standing],
    penalty: Penalty | None = None,
    *,
    enforced: bool = True,
    share: float = 0.0,
) -> Decision:
    """All limits must pass, so the time to wait is the largest over those that failed.

    "Never fits" is told apart from "later": no time to wait would be true for it. A limit that only observes
    is listed and does not count. A suspension refuses whatever the limits say, and is no limit to wait for: its end
    stands in the penalty. `share` (0 to 1) says how far the time to wait for a long window is spread; the times of the
    single limits stay as they are.
    """
    shown = tuple(standings)
    if penalty is not None and penalty.level is Level.SUSPEND and enforced:
        return Decision(Outcome.DENY, Reason.PENALISED, shown, penalty=penalty)
    failing = [s for s in standings if not s.fits and not s.limit.observe]
    if not failing:
        return Decision(Outcome.ALLOW, Reason.NONE, shown, penalty=penalty)
    wait = max(spread(s.wait_us, share) if _long(s) else s.wait_us for s in failing)
    if any(s.limit.on_exceed is OnExceed.CHALLENGE for s in failing):
        return Decision(Outcome.CHALLENGE, Reason.ADDRESS_OVER_LIMIT, shown, wait, penalty=penalty)
    if any(s.never for s in failing):
        return Decision(Outcome.DENY, Reason.NEVER_FITS, shown, penalty=penalty)
    budget = any(s.limit.unit in (Unit.TOKENS, Unit.MICRO_USD) for s in failing)
    reason = Reason.BUDGET_EXHAUSTED if budget else Reason.RATE_LIMITED
    return Decision(Outcome.THROTTLE, reason, shown, wait, penalty=penalty)


def _long(standing: Standing) -> bool:
    limit = standing.limit
    return limit.calendar is not None or limit.window_seconds * 1_000_000 >= LONG_US
