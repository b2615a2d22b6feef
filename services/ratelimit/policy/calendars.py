"""Calendar windows as plain boundaries, so that the store can choose among them by its own clock."""

from __future__ import annotations

from datetime import UTC, datetime

from services.ratelimit.policy.model import Calendar

CALENDARS = (Calendar.DAY, Calendar.MONTH)
_DAY = 86_400


def _month_start(month: int) -> int:
    """Unix seconds of the first instant of a month counted from year 0."""
    return int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp())


def boundaries(calendar: Calendar, now: float) -> tuple[int, int, int, int, int]:
    """Five starts of windows, `now` lying between the third and the fourth.

    The window before and the one after are there for a store whose clock differs from ours around midnight.
    """
    if calendar is Calendar.DAY:
        today = int(now // _DAY) * _DAY
        return (today - 2 * _DAY, today - _DAY, today, today + _DAY, today + 2 * _DAY)
    day = datetime.fromtimestamp(now, tz=UTC)
    month = day.year * 12 + day.month - 1
    first, second, third, fourth, fifth = (_month_start(month + step) for step in range(-2, 3))
    return (first, second, third, fourth, fifth)
