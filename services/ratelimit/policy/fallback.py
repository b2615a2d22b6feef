"""What one process may decide by itself while the store is away."""

from __future__ import annotations

from services.ratelimit.policy.model import Calendar, Limit, Standing

_SECONDS = {Calendar.DAY: 86_400, Calendar.WEEK: 7 * 86_400, Calendar.MONTH: 31 * 86_400}


def share_of(limit: Limit, share_permille: int) -> int:
    """The part of a limit that this process may give; at least 1, so that a small limit is not an outage."""
    return max(1, limit.capacity * share_permille // 1000)


def local_standing(limit: Limit, share: int, full_at_us: int, now_us: int, cost: int) -> tuple[Standing, int]:
    """A GCRA over `share` per window. Returns the standing, and when this share would be whole again if charged."""
    seconds = limit.window_seconds if limit.calendar is None else _SECONDS[limit.calendar]
    window_us = seconds * 1_000_000
    interval = -(-window_us // share)
    base = max(full_at_us, now_us)
    after = base + cost * interval
    wait = after - now_us - share * interval
    never = cost > share
    fits = wait <= 0
    tat = after if fits else base
    remaining = (share * interval - (tat - now_us)) // interval
    standing = Standing(limit, fits, never, remaining, 0 if never else max(0, wait), tat - now_us, degraded=True)
    return standing, after
