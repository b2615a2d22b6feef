"""The reference: what the scripts must do, written down a second time without Redis, over explicit time."""

from __future__ import annotations

from dataclasses import replace

from services.ratelimit.policy import (
    Algorithm,
    Group,
    Level,
    Limit,
    Mode,
    OnExpiry,
    Price,
    Standing,
    Unit,
    money,
)
from services.ratelimit.ports import Addition, Answer, Ask, Settled, Status, Use
from tests.contract.ratelimit.model_counters import SECOND, Entry, Hold, Key, window_end
from tests.contract.ratelimit.model_penalties import PENALISED, Offenders


class Model(Offenders):
    """One organisation."""

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

    def reset(self, key: Key) -> None:
        """To zero, but for what open reservations are going to settle; a request has happened."""
        self.tat.pop(key, None)
        open_entries = [entry for hold in self.holds.values() if hold.state == "held" for entry in hold.entries]
        stays = [e for e in open_entries if e.key == key and e.limit.unit is not Unit.REQUESTS]
        for window in list(self.spent[key]):
            self.spent[key][window] = sum(entry.amount for entry in stays if entry.window == window)

    def reap(self) -> None:
        due = [(h.expires, name) for name, h in self.holds.items() if h.state == "held" and h.expires <= self.now]
        for _, name in sorted(due)[:8]:
            self.expire(self.holds[name])

    def decide(self, ask: Ask) -> Answer:
        self.reap()
        groups = [(":".join(bound.name), bound.group) for bound in ask.groups]
        fingerprint = (ask.mode, ask.costs, tuple(subject for subject, _ in groups))
        penalty = self.penalty(groups)
        known = self.holds.get(ask.request_id) if ask.mode is not Mode.PEEK else None
        if known:
            alive = known.state == "taken" or (known.state == "held" and known.expires > self.now)
            if not alive or known.workload != ask.workload or known.print != fingerprint:
                return Answer(Status.SPENT, (), self.now)
        rows = [row for subject, group in groups for row in self._rows(subject, group, ask, replay=known is not None)]
        if known:
            shown = tuple(self.shown(key, s) for key, s, _, _ in rows)
            return Answer(Status.ALLOWED, shown, self.now, known.expires, True, penalty)
        allowed = all(s.fits or s.limit.observe for _, s, _, _ in rows)
        suspended = penalty is not None and penalty.level is Level.SUSPEND and self.rules and self.rules.enforced
        expires = 0
        if allowed and not suspended and ask.mode is not Mode.PEEK:
            expires = self._charge(rows, ask, fingerprint, [subject for subject, _ in groups])
        elif not suspended and not allowed and ask.mode is not Mode.PEEK:
            self._strike(rows, groups)
        shown = tuple(self.shown(key, s) for key, s, _, _ in rows)
        status = Status.ALLOWED if allowed and not suspended else Status.REFUSED
        return Answer(status, shown, self.now, expires, False, penalty)

    def _rows(self, subject: str, group: Group, ask: Ask, *, replay: bool) -> list[tuple[Key, Standing, int, Limit]]:
        """For each limit: its key, its standing, what it takes, and the limit as the policy has it."""
        weight, score = self.weight(subject, group)
        rows = []
        for base in group.limits:
            limit, key = base, (subject, base.id)
            if base.trusted > base.capacity and score < base.trusted_below:
                limit = replace(base, limit=base.trusted, capacity=base.trusted)
            need = takes = self._asked(base, ask)
            free = base.unit is Unit.MICRO_USD and ask.price == Price(0, 0)
            if replay:
                rows.append((key, Standing(limit, fits=True, never=False, remaining=0, wait_us=0, reset_us=0), 0, base))
                continue
            if ask.mode is Mode.RESERVE and not free:
                need = max(need, 1)
            held = base.capacity * base.hold_permille // 1000
            spends = base.unit in (Unit.TOKENS, Unit.MICRO_USD) and not base.exact and base.hold_permille < 1000
            clamped = False
            if need <= limit.capacity:
                if base.unit is Unit.REQUESTS and weight > 1 and takes > 0:
                    need = takes = max(need, min(limit.capacity, need * weight))
                elif ask.mode is Mode.RESERVE and spends and need > max(1, held):
                    need = takes = max(1, held)
                    clamped = True
            found = self.standing(key, limit, need)
            rows.append((key, found._replace(clamped=clamped and found.fits), takes, base))
        return rows

    @staticmethod
    def _asked(limit: Limit, ask: Ask) -> int:
        costs = ask.costs
        if limit.unit is Unit.REQUESTS:
            return costs.requests
        if limit.unit is Unit.TOKENS:
            return max(costs.tokens, costs.most_tokens) if limit.exact else costs.tokens
        if limit.unit is Unit.MICRO_USD:
            return max(costs.micro_usd, costs.most_micro_usd) if limit.exact else costs.micro_usd
        looks = ask.mode is Mode.PEEK and (costs.requests or costs.tokens or costs.micro_usd)
        return 1 if ask.mode is Mode.RESERVE or looks else 0

    def _strike(self, rows: list[tuple[Key, Standing, int, Limit]], groups: list[tuple[str, Group]]) -> None:
        penal = {subject for subject, group in groups if group.subject in PENALISED}
        guilty = {
            key[0]
            for key, s, _, base in rows
            if key[0] in penal and base.unit is Unit.REQUESTS and not (s.fits or s.never or base.observe)
        }
        for subject in guilty:
            if self.rules is not None and self.rules.strike > 0:
                self.blame(subject, self.rules.strike)

    def _charge(
        self, rows: list[tuple[Key, Standing, int, Limit]], ask: Ask, fingerprint: object, subjects: list[str]
    ) -> int:
        reserve = ask.mode is Mode.RESERVE
        hold = Hold(ask.workload, fingerprint, self.now, self.now + ask.hold_us if reserve else 0, ask.price, [])
        hold.tokens, hold.micro_usd, hold.subjects = ask.costs.tokens, ask.costs.micro_usd, subjects
        for key, s, takes, base in rows:
            if s.fits and base.algorithm is not Algorithm.LIVE:
                start = 0 if base.algorithm is Algorithm.GCRA else self.start(base, self.now)
                entry = Entry(key, s.limit, base, takes, takes, start)
                self.add(entry, takes, self.now)
                hold.entries.append(entry)
        hold.state = "held" if reserve else "taken"
        self.holds[ask.request_id] = hold
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
        used = self._used(hold, use) if use else {}
        for entry in hold.entries:
            amount = used.get(entry.limit.unit, 0)
            if entry.limit.unit is Unit.REQUESTS and (use or keep):
                amount = max(amount, entry.asked)
            self.add(entry, amount - entry.amount, hold.at)
        hold.state, hold.charged = "settled", used.get(Unit.MICRO_USD, 0)
        return outcome, hold.charged

    def extend(self, name: str, workload: str, more: Addition) -> Answer | None:
        hold = self.holds.get(name)
        if hold is None or hold.workload != workload or hold.state != "held" or hold.expires <= self.now:
            return None
        use = self._used(hold, more.use)
        known = hold.added.get(more.request_id) if more.request_id else None
        if known is not None and known != use:
            return Answer(Status.SPENT, (), self.now)
        needs = [0 if known is not None else self._more(hold, entry, use) for entry in hold.entries]
        rows = [self._extended(entry, need) for entry, need in zip(hold.entries, needs, strict=True)]
        allowed = all(s.fits or s.limit.observe for s in rows)
        if allowed and known is None:
            for entry, need in zip(hold.entries, needs, strict=True):
                self.add(entry, need, hold.at)
                entry.amount += need
                entry.asked += need
            hold.tokens += use[Unit.TOKENS]
            hold.micro_usd += use[Unit.MICRO_USD]
            hold.expires = max(hold.expires, min(self.now + more.hold_us, hold.at + 3600 * SECOND))
            if more.request_id:
                hold.added[more.request_id] = use
                hold.added = dict(list(hold.added.items())[-16:])
        shown = tuple(self._after(entry, s) for entry, s in zip(hold.entries, rows, strict=True))
        status = Status.ALLOWED if allowed else Status.REFUSED
        return Answer(status, shown, self.now, hold.expires, known is not None)

    @staticmethod
    def _more(hold: Hold, entry: Entry, use: dict[Unit, int]) -> int:
        unit = entry.limit.unit
        if not entry.limit.exact:
            return use[unit]
        before = hold.tokens if unit is Unit.TOKENS else hold.micro_usd
        return max(0, before + use[unit] - entry.amount)

    def _extended(self, entry: Entry, need: int) -> Standing:
        limit, key = entry.limit, entry.key
        if need == 0 or limit.algorithm is Algorithm.GCRA:
            return self.standing(key, limit, need)
        if limit.algorithm is Algorithm.CALENDAR:
            ok = self.spent[key][entry.window] + need <= limit.capacity
            ends = max(0, window_end(limit, entry.window, self.zone) - self.now)
            never = not ok and (need > limit.capacity or ends == 0)
            return Standing(limit, ok, never, 0, 0 if ok or never else ends, 0)
        start = self.start(limit, self.now)
        if entry.window == start:
            return self.standing(key, limit, need)
        previous = entry.window == self.start(limit, start - 1)
        ok = not previous or self.used(key, limit, need, entry.window) <= limit.capacity
        return Standing(limit, ok, not ok, 0, 0, 0)

    def _after(self, entry: Entry, s: Standing) -> Standing:
        if entry.limit.algorithm is Algorithm.CALENDAR:
            left = max(0, entry.limit.capacity - self.spent[entry.key][entry.window])
            ends = max(0, window_end(entry.limit, entry.window, self.zone) - self.now)
            return s._replace(limit=entry.base, remaining=left, reset_us=ends)
        return self.shown(entry.key, s)._replace(limit=entry.base)

    @staticmethod
    def _used(hold: Hold, use: Use) -> dict[Unit, int]:
        price = use.price or hold.price
        return {
            Unit.REQUESTS: use.requests,
            Unit.TOKENS: use.input_tokens + use.output_tokens,
            Unit.MICRO_USD: money(price, use.input_tokens, use.output_tokens),
        }
