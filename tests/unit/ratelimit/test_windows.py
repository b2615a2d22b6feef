"""Calendar windows: where days, weeks and months begin, in UTC and in zones whose clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ratelimit.policy import Calendar, boundaries

HOUR = 3600
# Both halves of the world; changes at midnight (Santiago, Beirut, Havana), by half an hour (Lord Howe), a date that
# never was (Apia, 2011-12-30), and none.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "UTC",
]


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("America/Santiago", "2026-09-06", 23),  # has no midnight: it begins at 01:00
        ("America/Havana", "2026-11-01", 25),  # has two midnights: it begins at the first
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Asia/Kathmandu", "2026-03-29", 24),
        ("UTC", "2028-02-29", 24),
    ],
)
def test_a_day_is_as_long_as_the_zone_makes_it(zone: str, day: str, hours: float) -> None:
    noon = at(f"{day}T12:00:00", zone)
    start, end = boundaries(Calendar.DAY, noon, zone)[2:4]
    assert end - start == hours * HOUR
    assert boundaries(Calendar.DAY, start - 1, zone)[3] == start
    assert boundaries(Calendar.DAY, end, zone)[2] == end


def test_a_date_that_never_was_has_no_window() -> None:
    before = at("2011-12-29T12:00:00", "Pacific/Apia")
    start, end = boundaries(Calendar.DAY, before, "Pacific/Apia")[2:4]
    assert datetime.fromtimestamp(end, tz=ZoneInfo("Pacific/Apia")).date().isoformat() == "2011-12-31"
    assert end - start == 24 * HOUR


@pytest.mark.parametrize(
    ("calendar", "zone", "now", "start", "end"),
    [
        (Calendar.MONTH, "Asia/Kathmandu", "2026-03-01T00:00:00", "2026-03-01", "2026-04-01"),
        (Calendar.MONTH, "America/New_York", "2026-02-28T23:59:59", "2026-02-01", "2026-03-01"),
        (Calendar.MONTH, "America/New_York", "2028-02-29T23:59:59", "2028-02-01", "2028-03-01"),
        (Calendar.WEEK, "Europe/Berlin", "2026-03-29T23:59:59", "2026-03-23", "2026-03-30"),
        (Calendar.WEEK, "Europe/Berlin", "2026-03-30T00:00:00", "2026-03-30", "2026-04-06"),
        (Calendar.WEEK, "America/Santiago", "2026-09-06T23:59:59", "2026-08-31", "2026-09-07"),
        (Calendar.WEEK, "UTC", "2027-01-01T00:00:00", "2026-12-28", "2027-01-04"),
    ],
)
def test_weeks_and_months_begin_at_the_zones_midnight(
    calendar: Calendar, zone: str, now: str, start: str, end: str
) -> None:
    assert boundaries(calendar, at(now, zone), zone)[2:4] == (at(start, zone), at(end, zone))


@given(st.integers(0, 4_000_000_000), st.sampled_from(Calendar), st.sampled_from(ZONES))
def test_windows_join_without_gaps_and_begin_with_a_new_date(now: int, calendar: Calendar, zone: str) -> None:
    b = boundaries(calendar, now, zone)
    assert b[0] < b[1] < b[2] <= now < b[3] < b[4]
    assert boundaries(calendar, b[3], zone)[:4] == b[1:]
    for start in b:
        before, after = (datetime.fromtimestamp(second, tz=ZoneInfo(zone)) for second in (start - 1, start))
        assert before.date() < after.date()
        assert calendar is not Calendar.WEEK or after.weekday() == 0
        assert calendar is not Calendar.MONTH or after.day == 1


@pytest.mark.parametrize("zone", ["", "Nowhere/Atlantis", "../../etc/passwd", "UTC"])
def test_a_zone_that_is_not_known_is_utc(zone: str) -> None:
    now = 1_772_323_199
    assert boundaries(Calendar.DAY, now, zone) == boundaries(Calendar.DAY, now)
    assert datetime.fromtimestamp(boundaries(Calendar.DAY, now)[2], tz=UTC).hour == 0
