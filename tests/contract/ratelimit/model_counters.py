"""The reference, first part: windows, found by looking for the instant at which a date changes, and what they count.

It keeps every window there ever was, so that the fixed-size state of the scripts is put to the test.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.ratelimit.policy import Algorithm, Calendar, Limit, Price, Standing, Zone

SECOND = 1_000_000
Key = tuple[str, str]


def label(calendar: Calendar, zone: str, second: int) -> date:
    """The first date of the window that a second belongs to."""
    day = datetime.fromtimestamp(second, tz=ZoneInfo(zone)).date()
    if calendar is Calendar.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if calendar is Calendar.MONTH else day


def calendar_start(calendar: Calendar, zone: str, second: int) -> int:
    """The first second with the same label, found by halving."""
    wanted = label(calendar, zone, second)
    low, high = second - 33 * 86_400, second
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if label(calendar, zone, middle) == wanted else (middle, high)
    return high


def window_start(limit: Limit, now: int, zone: str = "UTC") -> int:
    """Start of the window that holds `now`, microseconds."""
    if limit.calendar is None:
        width = limit.window_seconds * SECOND
        return now - now % width
    where = zone if limit.zone is Zone.BRAND else "UTC"
    return calendar_start(limit.calendar, where, now // SECOND) * SECOND


def window_end(limit: Limit, now: int, zone: str = "UTC") -> int:
    start = window_start(limit, now, zone)
    if limit.calendar is None:
        return start + limit.window_seconds * SECOND
    longest = {Calendar.DAY: 1, Calendar.WEEK: 7, Calendar.MONTH: 31}[limit.calendar]
    return window_start(limit, start + (longest * 24 + 12) * 3600 * SECOND, zone)


@dataclass
class Entry:
    key: Key
    limit: Limit  # as it was when it was charged
    base: Limit  # as the policy has it
    amount: int
    asked: int
    window: int


@dataclass
class Hold:
    workload: str
    print: object
    at: int
    expires: int
    price: Price
    entries: list[Entry]
    subjects: list[str] = field(default_factory=list)
    state: str = "held"
    charged: int = 0
    tokens: int = 0
    micro_usd: int = 0
    added: dict[str, object] = field(default_factory=dict)


@dataclass
class Counters:
    """What one organisation has used, and holds; its brand's zone does not change."""

    now: int
    zone: str = "UTC"
    tat: dict[Key, int] = field(default_factory=dict)
    spent: dict[Key, dict[int, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    holds: dict[str, Hold] = field(default_factory=dict)

    def start(self, limit: Limit, now: int) -> int:
        return window_start(limit, now, self.zone)

    def used(self, key: Key, limit: Limit, more: int = 0, window: int | None = None) -> int:
        """What counts now, if `more` were added to `window` (the current one by default)."""
        start = self.start(limit, self.now)
        cells = self.spent[key]
        current = cells[start] + (more if window in (None, start) else 0)
        if limit.algorithm is Algorithm.CALENDAR:
            return current
        before = self.start(limit, start - 1)
        previous = cells[before] + (more if window == before else 0)
        width = limit.window_seconds * 1000
        left = width - (self.now - start) // 1000
        return current + -(-previous * left // width)

    def backlog(self, key: Key) -> int:
        return max(self.tat.get(key, 0), self.now) - self.now

    def flying(self, subject: str) -> list[int]:
        """When the live reservations of a subject end, the first first."""
        live = [h for h in self.holds.values() if h.state == "held" and h.expires > self.now and subject in h.subjects]
        return sorted(hold.expires for hold in live)

    def fits(self, key: Key, limit: Limit, need: int) -> bool:
        if need > limit.capacity:
            return False
        if limit.algorithm is Algorithm.LIVE:
            return need == 0 or len(self.flying(key[0])) + need <= limit.capacity
        if limit.algorithm is Algorithm.GCRA:
            return self.backlog(key) + need * limit.interval_us <= limit.capacity * limit.interval_us
        return self.used(key, limit, need) <= limit.capacity

    def wait(self, key: Key, limit: Limit, need: int) -> int:
        """The first instant at which it fits, found by looking (windows) or solving (GCRA)."""
        if limit.algorithm is Algorithm.LIVE:
            return min(SECOND, self.flying(key[0])[0] - self.now)
        if limit.algorithm is Algorithm.GCRA:
            return self.backlog(key) + (need - limit.capacity) * limit.interval_us
        if limit.algorithm is Algorithm.CALENDAR:
            return window_end(limit, self.now, self.zone) - self.now
        first, now = self.now // 1000, self.now
        low, high = first, first + 2 * limit.window_seconds * 1000 + 1
        while low + 1 < high:  # what is used only falls while nothing is added
            middle = (low + high) // 2
            self.now = middle * 1000
            low, high = (low, middle) if self.used(key, limit, need) <= limit.capacity else (middle, high)
        self.now = now
        return high * 1000 - now

    def standing(self, key: Key, limit: Limit, need: int) -> Standing:
        ok = need == 0 or self.fits(key, limit, need)
        never = not ok and need > limit.capacity
        return Standing(limit, ok, never, 0, 0 if ok or never else self.wait(key, limit, need), 0)

    def shown(self, key: Key, s: Standing) -> Standing:
        """With what is left and the reset, after any charge."""
        limit = s.limit
        if limit.algorithm is Algorithm.LIVE:
            flying = self.flying(key[0])
            left = max(0, limit.capacity - len(flying))
            return s._replace(remaining=left, reset_us=flying[-1] - self.now if flying else 0)
        if limit.algorithm is Algorithm.GCRA:
            backlog = self.backlog(key)
            left = (limit.capacity * limit.interval_us - backlog) // limit.interval_us
            return s._replace(remaining=max(0, left), reset_us=backlog)
        start, end = self.start(limit, self.now), window_end(limit, self.now, self.zone)
        reset = end - self.now
        if limit.algorithm is Algorithm.SLIDING:
            if self.spent[key][start]:
                reset += limit.window_seconds * SECOND
            elif not self.spent[key][self.start(limit, start - 1)]:
                reset = 0
        return s._replace(remaining=max(0, limit.capacity - self.used(key, limit)), reset_us=reset)
