"""Limits of an API key's own. They are added to the plan's, so they can only narrow."""

from __future__ import annotations

from collections.abc import Sequence

from services.kit.caller import KeyLimit

MOST = 8
UNITS = ("requests", "tokens", "micro_usd")
LONGEST_SECONDS = 31 * 86_400
LARGEST = 10**12
# What the rate limiter can count without an error of rounding: over a sliding window, or else at a steady rate.
_EXACT = 2**52


def countable(limit: KeyLimit) -> bool:
    """Whether the rate limiter can hold this limit."""
    if limit.unit not in UNITS or not 1 <= limit.seconds <= LONGEST_SECONDS or not 1 <= limit.amount <= LARGEST:
        return False
    sliding = limit.amount * limit.seconds * 1000 <= _EXACT
    return sliding or limit.amount * 100 <= limit.seconds * 1_000_000


def wrong(limits: Sequence[KeyLimit]) -> int | None:
    """The place of the first limit that cannot be: not countable, or a second one of the same unit and window."""
    seen: set[tuple[str, int]] = set()
    for place, limit in enumerate(limits):
        if place >= MOST or not countable(limit) or (limit.unit, limit.seconds) in seen:
            return place
        seen.add((limit.unit, limit.seconds))
    return None
