"""What is held against a subject: kinds of abuse and their weights, and the arithmetic that the scripts share.

A score halves with every half-life and never passes its cap. From a level's score on, the level stands for its time;
each suspension lasts twice as long as the one before. All of it is integers, here and in `common.lua`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from services.ratelimit.policy.model import Level, Penalties

MOST = 1_000_000  # the highest score
_THOUSANDTH = 1000
_HALVES = 20  # after so many half-lives nothing is left
_DOUBLINGS = 30


class Culprit(StrEnum):
    """Whom abuse is counted against. What many share (a brand, an organisation) is never penalised."""

    ADDRESS = "address"
    KEY_PREFIX = "key_prefix"
    API_KEY = "api_key"
    USER_BRAND = "user_brand"


# Who proved nothing is known by these alone: whatever name an attacker gives, its owner is out of reach.
UNPROVEN = frozenset({Culprit.ADDRESS, Culprit.KEY_PREFIX})
PROVEN = frozenset({Culprit.API_KEY, Culprit.USER_BRAND})

KindName = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]


class KindRule(BaseModel):
    """What one report of a kind weighs (thousandths of the highest score), and against whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: Annotated[int, Field(ge=1, le=1000, strict=True)]
    subjects: Annotated[list[Culprit], Field(min_length=1, max_length=4)]

    def millionths(self) -> int:
        """As the scripts count."""
        return self.weight * _THOUSANDTH

    def against(self, reachable: frozenset[Culprit]) -> tuple[Culprit, ...]:
        """Those of its subjects that the reporter can speak about."""
        return tuple(culprit for culprit in self.subjects if culprit in reachable)


@dataclass(frozen=True, slots=True)
class Burst:
    """What makes nearly equal queries a burst: so many within the window, each alike in so many bytes of its sketch."""

    window_ms: int
    remembered: int
    alike: int
    queries: int


class NearQueries(BaseModel):
    """Many nearly equal questions of one user in a short time copy a model's answers: counted as `model_extraction`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_seconds: Annotated[int, Field(ge=10, le=86_400, strict=True)] = 600
    queries: Annotated[int, Field(ge=3, le=32, strict=True)] = 8
    alike: Annotated[int, Field(ge=4, le=32, strict=True)] = 14

    def burst(self) -> Burst:
        """As the script counts; twice as many are remembered as make a burst, so that others between do not hide it."""
        return Burst(self.window_seconds * 1000, 2 * self.queries, self.alike, self.queries)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held against one subject as of `at_ms`: score in millionths, suspensions remembered, the level that
    stands and until when. `counts` are the reports by kind since this history began."""

    score: int = 0
    at_ms: int = 0
    strikes: int = 0
    level: Level = Level.NONE
    until_ms: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """True when it is as if nothing had ever happened."""
        return not (self.score or self.strikes or self.level)


def decayed(held: Held, rules: Penalties, now_ms: int) -> Held:
    """The same, later: a clock that stepped back changes nothing."""
    half, age = rules.half_life_ms, max(0, now_ms - held.at_ms)
    halves, rest = divmod(age, half)
    score = 0 if halves > _HALVES else held.score >> halves
    score = score * (2 * half - rest) // (2 * half)
    level, strikes, until = held.level, held.strikes, held.until_ms
    if now_ms >= until:
        level = Level.NONE
        forgiven = min(strikes, (now_ms - until) // rules.forgiven_ms)
        strikes, until = strikes - forgiven, until + forgiven * rules.forgiven_ms
    return Held(score, max(now_ms, held.at_ms), strikes, level, until, held.counts)


def struck(held: Held, rules: Penalties, weight: int, now_ms: int) -> Held:
    """After something of this weight (millionths) was held against the subject at this instant."""
    before = decayed(held, rules, now_ms)
    score = min(MOST, before.score + weight)
    reached = max((Level(n) for n, step in enumerate(rules.steps, 1) if score >= step.score), default=Level.NONE)
    level, strikes, until = before.level, before.strikes, before.until_ms
    if reached > level:
        lasts = rules.steps[reached - 1].lasts_ms
        if reached is Level.SUSPEND:
            strikes += 1
            lasts = min(rules.longest_ms, lasts << min(strikes - 1, _DOUBLINGS))
        until = max(now_ms + lasts, until if level else 0)
        level = reached
    return Held(score, now_ms, strikes, level, until, held.counts)
