"""The reference, second part: what is held against a subject."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from services.ratelimit.policy import Group, Level, Penalties, Penalty, Subject
from tests.contract.ratelimit.model_counters import Counters

TOP = 1_000_000  # the highest score
PENALISED = (Subject.ADDRESS, Subject.API_KEY, Subject.USER_BRAND)


@dataclass
class Offence:
    """What is held against one subject."""

    score: int = 0
    at: int = 0
    strikes: int = 0
    level: int = 0
    till: int = 0


@dataclass
class Offenders(Counters):
    """Counters, and the offences beside them."""

    rules: Penalties | None = None
    offences: dict[str, Offence] = field(default_factory=dict)

    def offence(self, subject: str) -> Offence:
        """As of now."""
        assert self.rules is not None
        found, now = self.offences.get(subject), self.now // 1000
        if found is None:
            return Offence(at=now)
        halves, rest = divmod(max(0, now - found.at), self.rules.half_life_ms)
        score = (found.score >> halves if halves <= 20 else 0) * (2 * self.rules.half_life_ms - rest)
        score //= 2 * self.rules.half_life_ms
        if now < found.till:
            return replace(found, score=score, at=now)
        forgiven = min(found.strikes, (now - found.till) // self.rules.forgiven_ms)
        return Offence(score, now, found.strikes - forgiven, 0, found.till + forgiven * self.rules.forgiven_ms)

    def blame(self, subject: str, weight: int) -> None:
        assert self.rules is not None
        state = self.offence(subject)
        state.score = min(TOP, state.score + weight)
        reached = sum(state.score >= step.score for step in self.rules.steps)
        if reached > state.level:
            lasts = self.rules.steps[reached - 1].lasts_ms
            if reached == Level.SUSPEND:
                state.strikes += 1
                lasts = min(self.rules.longest_ms, lasts * 2 ** min(state.strikes - 1, 30))
            state.till = max(self.now // 1000 + lasts, state.till if state.level else 0)
            state.level = reached
        self.offences[subject] = state

    def penalty(self, groups: list[tuple[str, Group]]) -> Penalty | None:
        worst: Penalty | None = None
        for subject, group in groups:
            if self.rules is None or group.subject not in PENALISED:
                continue
            state = self.offence(subject)
            found = Penalty(group.subject, Level(state.level), state.till * 1000, state.score)
            if state.level and (worst is None or (state.level, state.till) > (worst.level, worst.until_us // 1000)):
                worst = found
        return worst

    def weight(self, subject: str, group: Group) -> tuple[int, int]:
        """How often a request counts, and the score."""
        if self.rules is None or group.subject not in PENALISED:
            return 1, 0
        state = self.offence(subject)
        weights = {Level.NONE: 1, Level.WARN: 1, Level.SLOW: self.rules.slow_weight}
        return (weights.get(Level(state.level), self.rules.limit_weight) if self.rules.enforced else 1), state.score
