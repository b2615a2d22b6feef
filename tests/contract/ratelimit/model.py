"""The reference: what the scripts must do, written down a second time without Redis, over explicit time.

It keeps what the scripts throw away (every window there ever was), so that their two cells are put to the test.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.ratelimit.policy import (
    Algorithm,
    Calendar,
    Costs,
    Limit,
    Mode,
    OnExpiry,
    Price,
    Standing,
    Unit,
    money,
)
from services.ratelimit.ports import Answer, Settled, Status, Use

SECOND = 1_000_000
Key = tuple[str, str]


def window_start(limit: Limit, now: int) -> int:
    """Start of the window that holds `now`, microseconds."""
    if limit.calendar is None:
        width = limit.window_seconds * SECOND
        return now - now % width
    day = datetime.fromtimestamp(now // SECOND, tz=UTC).replace(hour=0, minute=0, second=0)
    if limit.calendar is Calendar.MONTH:
        day = day.replace(day=1)
    return int(day.timestamp()) * SECOND


def window_end(limit: Limit, now: int) -> int:
    if limit.calendar is None:
        return window_start(limit, now) + limit.window_seconds * SECOND
    start = datetime.fromtimestamp(window_start(limit, now) // SECOND, tz=UTC)
    if limit.calendar is Calendar.DAY:
        return int((start + timedelta(days=1)).timestamp()) * SECOND
    return int((start + timedelta(days=32)).replace(day=1).timestamp()) * SECOND


@dataclass
class Entry:
    key: Key
    limit: Limit
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
    state: str = "held"
    charged: int = 0


@dataclass
class Model:
    """One organisation."""

    now: int
    tat: dict[Key, int] = field(default_factory=dict)
    spent: dict[Key, dict[int, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    holds: dict[str, Hold] = field(default_factory=dict)

    def used(self, key: Key, limit: Limit, more: int = 0, window: int | None = None) -> int:
        """What counts now, if `more` were added to `window` (the current one by default)."""
        start = window_start(limit, self.now)
        before = window_start(limit, start - 1)
        cells = self.spent[key]
        current = cells[start] + (more if window in (None, start) else 0)
        previous = cells[before] + (more if window == before else 0)
        if limit.algorithm is Algorithm.CALENDAR:
            return previous if window == before else current
        width = limit.window_seconds * 1000
        left = width - (self.now - start) // 1000
        return current + -(-previous * left // width)

    def fits(self, key: Key, limit: Limit, need: int) -> bool:
        if need > limit.capacity:
            return False
        if limit.algorithm is Algorithm.GCRA:
            backlog = max(self.tat.get(key, 0), self.now) - self.now
            return backlog + need * limit.interval_us <= limit.capacity * limit.interval_us
        return self.used(key, limit, need) <= limit.capacity

    def wait(self, key: Key, limit: Limit, need: int) -> int:
        """The first instant at which it fits, found by looking (windows) or solving (GCRA)."""
        if limit.algorithm is Algorithm.GCRA:
            backlog = max(self.tat.get(key, 0), self.now) - self.now
            return backlog + (need - limit.capacity) * limit.interval_us
        if limit.algorithm is Algorithm.CALENDAR:
            return window_end(limit, self.now) - self.now
        first, now = self.now // 1000, self.now
        low, high = first, first + 2 * limit.window_seconds * 1000 + 1
        while low + 1 < high:  # what is used only falls while nothing is added
            middle = (low + high) // 2
            self.now = middle * 1000
            low, high = (low, middle) if self.used(key, limit, need) <= limit.capacity else (middle, high)
        self.now = now
        return high * 1000 - now

    def standing(self, key: Key, limit: Limit, need: int | None) -> Standing:
        ok = need is None or need == 0 or self.fits(key, limit, need)
        never = not ok and need is not None and need > limit.capacity
        wait = 0 if ok or never or need is None else self.wait(key, limit, need)
        return Standing(limit, ok, never, 0, wait, 0)

    def shown(self, key: Key, s: Standing) -> Standing:
        """With what is left and the reset, after any charge."""
        limit = s.limit
        if limit.algorithm is Algorithm.GCRA:
            backlog = max(self.tat.get(key, 0), self.now) - self.now
            left = (limit.capacity * limit.interval_us - backlog) // limit.interval_us
            return Standing(limit, s.fits, s.never, max(0, left), s.wait_us, backlog)
        left = max(0, limit.capacity - self.used(key, limit))
        start, end = window_start(limit, self.now), window_end(limit, self.now)
        reset = end - self.now
        if limit.algorithm is Algorithm.SLIDING:
            if self.spent[key][start]:
                reset += limit.window_seconds * SECOND
            elif not self.spent[key][window_start(limit, start - 1)]:
                reset = 0
        return Standing(limit, s.fits, s.never, left, s.wait_us, reset)

    def add(self, entry: Entry, delta: int, at: int) -> None:
        if delta and entry.limit.algorithm is Algorithm.GCRA:
            tat = max(self.tat.get(entry.key, 0), self.now)
            moved = delta * entry.limit.interval_us
            self.tat[entry.key] = tat + moved if delta > 0 else tat - max(0, -moved - (self.now - at))
        elif delta:
            cells = self.spent[entry.key]
            cells[entry.window] = max(0, cells[entry.window] + delta)

    def expire(self, hold: Hold) -> None:
        for entry in hold.entries:
            if entry.limit.on_expiry is OnExpiry.REFUND:
                self.add(entry, -entry.amount, hold.at)
                entry.amount = 0
        hold.state = "expired"

    def reap(self) -> None:
        due = [(h.expires, name) for name, h in self.holds.items() if h.state == "held" and h.expires <= self.now]
        for _, name in sorted(due)[:8]:
            self.expire(self.holds[name])

    def decide(
        self,
        limits: list[tuple[str, Limit]],
        mode: Mode,
        costs: Costs,
        price: Price,
        workload: str,
        name: str,
        ttl: int,
    ) -> Answer:
        self.reap()
        keys = [((subject, limit.id), limit) for subject, limit in limits]
        fingerprint = (mode, costs, tuple(subject for subject, _ in limits))
        known = self.holds.get(name) if mode is not Mode.PEEK else None
        if known:
            alive = known.state == "taken" or (known.state == "held" and known.expires > self.now)
            if not alive or known.workload != workload or known.print != fingerprint:
                return Answer(Status.SPENT, (), self.now)
            rows = tuple(self.shown(key, self.standing(key, limit, None)) for key, limit in keys)
            return Answer(Status.ALLOWED, rows, self.now, known.expires, True)
        first = []
        for key, limit in keys:
            need = costs.of(limit.unit)
            if mode is Mode.RESERVE and not (limit.unit is Unit.MICRO_USD and price == Price(0, 0)):
                need = max(need, 1)
            first.append(self.standing(key, limit, need))
        allowed = all(s.fits or s.limit.observe for s in first)
        expires = 0
        if allowed and mode is not Mode.PEEK:
            expires = self._charge(
                keys, first, mode, costs, Hold(workload, fingerprint, self.now, 0, price, []), name, ttl
            )
        rows = tuple(self.shown(key, s) for (key, _), s in zip(keys, first, strict=True))
        return Answer(Status.ALLOWED if allowed else Status.REFUSED, rows, self.now, expires)

    def _charge(
        self,
        keys: list[tuple[Key, Limit]],
        first: list[Standing],
        mode: Mode,
        costs: Costs,
        hold: Hold,
        name: str,
        ttl: int,
    ) -> int:
        for (key, limit), s in zip(keys, first, strict=True):
            if s.fits:
                amount = costs.of(limit.unit)
                start = 0 if limit.algorithm is Algorithm.GCRA else window_start(limit, self.now)
                entry = Entry(key, limit, amount, amount, start)
                self.add(entry, amount, self.now)
                hold.entries.append(entry)
        hold.state = "held" if mode is Mode.RESERVE else "taken"
        hold.expires = self.now + ttl if mode is Mode.RESERVE else 0
        self.holds[name] = hold
        return hold.expires

    def settle(self, name: str, workload: str, use: Use | None, keep: bool) -> tuple[Settled, int]:
        hold = self.holds.get(name)
        if hold is None or hold.workload != workload or hold.state == "taken":
            return Settled.UNKNOWN, 0
        if hold.state == "settled":
            return Settled.ALREADY, hold.charged
        if hold.state == "held" and hold.expires <= self.now:
            self.expire(hold)
        outcome = Settled.EXPIRED if hold.state == "expired" else Settled.APPLIED
        used = self._costs(hold, use) if use else Costs(0, 0, 0)
        for entry in hold.entries:
            amount = used.of(entry.limit.unit)
            if entry.limit.unit is Unit.REQUESTS and (use or keep):
                amount = max(amount, entry.asked)
            self.add(entry, amount - entry.amount, hold.at)
        hold.state, hold.charged = "settled", used.micro_usd
        return outcome, used.micro_usd

    def extend(self, name: str, workload: str, use: Use, ttl: int) -> Answer | None:
        hold = self.holds.get(name)
        if hold is None or hold.workload != workload or hold.state != "held" or hold.expires <= self.now:
            return None
        more = self._costs(hold, use)
        rows = [self._extended(entry, more.of(entry.limit.unit)) for entry in hold.entries]
        allowed = all(s.fits or s.limit.observe for s in rows)
        if allowed:
            for entry in hold.entries:
                self.add(entry, more.of(entry.limit.unit), hold.at)
                entry.amount += more.of(entry.limit.unit)
                entry.asked += more.of(entry.limit.unit)
            hold.expires = max(hold.expires, min(self.now + ttl, hold.at + 3600 * SECOND))
        shown = tuple(self.shown(entry.key, s) for entry, s in zip(hold.entries, rows, strict=True))
        return Answer(Status.ALLOWED if allowed else Status.REFUSED, shown, self.now, hold.expires)

    def _extended(self, entry: Entry, need: int) -> Standing:
        limit = entry.limit
        start = window_start(limit, self.now) if limit.algorithm is not Algorithm.GCRA else 0
        if need == 0 or limit.algorithm is Algorithm.GCRA or entry.window == start:
            return self.standing(entry.key, limit, need)
        previous = entry.window == window_start(limit, start - 1)
        ok = not previous or self.used(entry.key, limit, need, entry.window) <= limit.capacity
        return Standing(limit, ok, not ok, 0, 0, 0)

    @staticmethod
    def _costs(hold: Hold, use: Use) -> Costs:
        price = use.price or hold.price
        return Costs(
            use.requests, use.input_tokens + use.output_tokens, money(price, use.input_tokens, use.output_tokens)
        )
