"""Calendar windows as plain boundaries, so that the store can choose among them by its own clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.ratelimit.policy.model import Calendar, Zone

CALENDARS = tuple((zone, calendar) for zone in Zone for calendar in Calendar)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """The zone of that name; one that is not known here is UTC, as everybody's day must end some time."""
    try:
        return ZoneInfo(name) if name not in ("", "UTC") else UTC
    except (OSError, ValueError, KeyError):
        return UTC


def _starts(calendar: Calendar, today: date) -> Iterator[date]:
    """First days of the windows around a day, more than are needed: a day may be missing from a zone."""
    if calendar is Calendar.DAY:
        return (today + timedelta(days=step) for step in range(-4, 5))
    if calendar is Calendar.WEEK:
        monday = today - timedelta(days=today.weekday())
        return (monday + timedelta(weeks=step) for step in range(-3, 4))
    month = today.year * 12 + today.month - 1
    return (date((month + step) // 12, (month + step) % 12 + 1, 1) for step in range(-3, 4))


def boundaries(calendar: Calendar, now: float, zone: str = "UTC") -> tuple[int, int, int, int, int]:
    """Five starts of windows, `now` lying between the third and the fourth.

    The window before and the one after are there for a store whose clock differs from ours around midnight. A day
    begins at the first midnight of its date; where a change of clocks skips midnight, at the change.
    """
    where = zone_of(zone)
    today = datetime.fromtimestamp(now, tz=where).date()
    # A date that the zone never had (it moved over the date line) begins when the next one does: the set drops it.
    starts = sorted(
        {int(datetime(day.year, day.month, day.day, tzinfo=where).timestamp()) for day in _starts(calendar, today)}
    )
    first = max(i for i, start in enumerate(starts) if start <= now) - 2
    one, two, three, four, five = starts[first : first + 5]
    return (one, two, three, four, five)
